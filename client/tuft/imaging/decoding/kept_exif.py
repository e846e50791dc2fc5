"""What may be kept of a photograph's EXIF in the file of its cut-out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import ExifTags, Image

from tuft.imaging.decoding.bombs import is_harmless_exif
from tuft.imaging.decoding.formats import READABLE_FORMATS
from tuft.imaging.decoding.load import MAX_BYTES, MAX_PIXELS, Photo, _exif, decoding_errors, read_picture, require_open
from tuft.imaging.decoding.sources import name_of, opened

if TYPE_CHECKING:
    from tuft.imaging.decoding.load import ImageSource

_Base: Final = ExifTags.Base
# What describes the photograph. Other tags describe its pixels, which a cut-out no longer has: their orientation, their
# layout in a TIFF file, a thumbnail that shows the old background.
_DESCRIPTIVE: Final = (
    *(_Base.ImageDescription, _Base.Make, _Base.Model, _Base.Software, _Base.DateTime, _Base.Artist, _Base.Copyright),
    *(_Base.HostComputer, _Base.XResolution, _Base.YResolution, _Base.ResolutionUnit, _Base.Rating),
    *(_Base.XPTitle, _Base.XPComment, _Base.XPAuthor, _Base.XPKeywords, _Base.XPSubject),
)
# Makers' notes may hold previews and refer to bytes by their place in the old file.
_LEFT_OUT: Final = frozenset(
    {_Base.MakerNote, _Base.ExifImageWidth, _Base.ExifImageHeight, _Base.ExifInteroperabilityOffset, _Base.ColorSpace}
)
_SRGB: Final = 1
_MOST_BYTES: Final = 65_000  # a JPEG file holds no more


def read_exif(source: ImageSource, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> bytes:
    """Reads the EXIF of a photograph as a cut-out may have it, for `tuft.Cutout.save`.

    Kept are camera, lens, exposure, times, place, author and rights. The orientation is left out, because a cut-out is
    upright, as are the thumbnail and the maker's notes, which may show the old background. The colour space is sRGB.

    Args:
        source: As for `load_photo`; it is read in this process. A stream is at its end afterwards.
        max_pixels: The largest width × height accepted; no pixel is decoded.
        max_bytes: The largest file accepted.

    Returns:
        The EXIF block; empty if the photograph has none, or one that is damaged or too large.

    Raises:
        ImageError: The photograph cannot be read; the class tells why.
    """
    if isinstance(source, Photo | np.ndarray):
        return b""
    name = name_of(source)
    with decoding_errors(name, max_pixels):
        if isinstance(source, Image.Image):
            require_open(source)
            return _kept_of(source, None)
        with opened(source, max_bytes) as file:
            return read_picture(file, name, _kept_of, max_pixels=max_pixels, formats=READABLE_FORMATS)


def _kept_of(image: Image.Image, orientation: int | None) -> bytes:
    if orientation is not None:  # the metadata of this file is left out
        return b""
    try:
        block = _exif(image)
        if block is not None and (len(block) > _MOST_BYTES or not is_harmless_exif(block)):
            return b""
        if block is None and image.format != "TIFF":  # whose own directory it is
            return b""
        exif = image.getexif()
        kept = _kept(exif).tobytes() if len(exif) else b""
    except Exception:  # damaged EXIF raises many classes
        return b""
    return kept if len(kept) <= _MOST_BYTES else b""


def _kept(exif: Image.Exif) -> Image.Exif:
    kept = Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in exif:
            kept[tag] = exif[tag]
    camera = {tag: value for tag, value in exif.get_ifd(ExifTags.IFD.Exif).items() if tag not in _LEFT_OUT}
    kept[ExifTags.IFD.Exif] = {**camera, _Base.ColorSpace: _SRGB}
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    if place:
        kept[ExifTags.IFD.GPSInfo] = dict(place)
    return kept
