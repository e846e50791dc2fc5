"""Colour management: converts pictures with an embedded ICC profile to sRGB."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tuft.imaging.pixels import THREADS, strips

# Relative colorimetric with black point compensation: in-gamut colours keep their values, shadows their detail.
_INTENT: Final = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS: Final = ImageCms.Flags.BLACKPOINTCOMPENSATION


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts `image` (L, RGB or CMYK, of any size) to RGB in sRGB.

    Args:
        image: The picture, without alpha.
        profile: The ICC profile of its colours; None means sRGB, or uncalibrated CMYK. A damaged profile, and one for
            another colour space than the picture's, are ignored.
    """
    transform = _needed_transform(profile, image.mode)
    if transform is None:
        return image if image.mode == "RGB" else image.convert("RGB")
    return transform.apply(image)


def convert_to_srgb(rgb: NDArray[np.uint8], profile: bytes | None) -> None:
    """Converts the pixels `rgb` (H, W, 3) to sRGB in place, in threads; the profile is that of `to_srgb`."""
    transform = _needed_transform(profile, "RGB")
    if transform is None:
        return

    def convert(rows: slice) -> None:
        rgb[rows] = transform.apply(Image.fromarray(rgb[rows]))

    with ThreadPoolExecutor(THREADS) as pool:  # lcms runs without the GIL
        list(pool.map(convert, strips(len(rgb))))


def _needed_transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    transform = _transform(profile, mode) if profile else None
    return None if transform is None or (mode == "RGB" and _changes_nothing(transform)) else transform


def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(source, target, mode, "RGB", _INTENT, _FLAGS)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


@cache
def _probe() -> Image.Image:
    """A regular grid of 4096 RGB colours."""
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    return Image.fromarray(cube.reshape(64, 64, 3))


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether the profile is equivalent to sRGB, as most are; converting 12 megapixels needlessly takes 0.2 s."""
    before, after = (np.asarray(image, np.int16) for image in (_probe(), transform.apply(_probe())))
    return int(np.abs(after - before).max()) <= 1
