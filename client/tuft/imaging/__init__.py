"""The imaging stages: decoding, preprocessing, postprocessing, refinement, composition and encoding.

This is the only package that reads and writes image files. Any ordinary raster image is accepted and becomes upright
sRGB with eight bits per channel. Output files are sRGB, by default without an embedded profile and without metadata, so
a cut-out does not reveal where its photograph was taken.
"""

from tuft.imaging.animation import ANIMATION_FORMATS
from tuft.imaging.compose import OUTPUT_TYPES, parse_colour
from tuft.imaging.decoding.formats import READABLE_FORMATS
from tuft.imaging.decoding.frames import Frames, load_frames
from tuft.imaging.decoding.kept_exif import read_exif
from tuft.imaging.decoding.load import MAX_BYTES, MAX_PIXELS, ImageSource, Photo, load_photo
from tuft.imaging.decoding.sources import name_of
from tuft.imaging.encoding import FORMAT_OF_SUFFIX, FORMATS, encode, format_from_name, format_from_path
from tuft.imaging.geometry import Box
from tuft.imaging.lengths import Lengths, parse_margin, parse_position, parse_region, parse_scale
from tuft.imaging.sandbox.pool import MEMORY_BYTES, IsolatedDecoder
from tuft.imaging.shadow import SHADOWS, parse_shadow

__all__ = [
    "ANIMATION_FORMATS",
    "FORMATS",
    "FORMAT_OF_SUFFIX",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MEMORY_BYTES",
    "OUTPUT_TYPES",
    "READABLE_FORMATS",
    "SHADOWS",
    "Box",
    "Frames",
    "ImageSource",
    "IsolatedDecoder",
    "Lengths",
    "Photo",
    "encode",
    "format_from_name",
    "format_from_path",
    "load_frames",
    "load_photo",
    "name_of",
    "parse_colour",
    "parse_margin",
    "parse_position",
    "parse_region",
    "parse_scale",
    "parse_shadow",
    "read_exif",
]
