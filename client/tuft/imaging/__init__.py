"""Pictures in, picture files out: the only package that reads and writes image files.

What comes in may be any ordinary raster picture; what goes on is sRGB, upright, eight bits a channel. What goes
out is sRGB without an embedded profile and without metadata: a cut-out tells nobody where its photograph was
taken.
"""

from tuft.imaging.decoding.load import MAX_BYTES, MAX_PIXELS, READABLE_FORMATS, ImageSource, Photo, load_photo
from tuft.imaging.encoding import FORMATS, encode, format_from_path
from tuft.imaging.sandbox.pool import IsolatedDecoder

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "READABLE_FORMATS",
    "ImageSource",
    "IsolatedDecoder",
    "Photo",
    "encode",
    "format_from_path",
    "load_photo",
]
