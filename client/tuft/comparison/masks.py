"""The true masks of photographs, where there are some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuft import imaging
from tuft.batch.inputs import SUFFIXES
from tuft.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def truths_of(photos: Sequence[Path], truth: Path | None) -> dict[Path, Path]:
    """The mask's file of each photograph; empty without truth.

    All photographs and masks are read once, so that what cannot be used is told before any work starts.

    Args:
        photos: Photographs.
        truth: The mask of a single one, or a folder with a mask for each, called like it but for the suffix.

    Raises:
        OptionError: There is no such mask, or it does not fit its photograph.
        ImageError: A photograph or a mask cannot be read.
    """
    if truth is None:
        for photo in photos:
            imaging.load_photo(photo)
        return {}
    if not truth.exists():
        raise OptionError(f"There is no file or folder {truth}: give the masks with --truth.")
    if not truth.is_dir():
        if len(photos) > 1:
            raise OptionError(f"{truth} is one mask, and there are {len(photos)} photographs: give a folder of masks.")
        found = {photos[0]: truth}
    else:
        found = {photo: _mask_of(photo, truth) for photo in photos}
    for photo, mask in found.items():
        height, width = imaging.load_photo(photo).rgb.shape[:2]
        read_mask(mask, (height, width))
    return found


def read_mask(path: Path, size_hw: tuple[int, ...]) -> NDArray[np.float32]:
    """A mask of a photograph of `size_hw` pixels: [h, w], 0..1; of a cut-out its transparency, else its grey levels.

    Raises:
        OptionError: It has another size than the photograph, or colours.
        ImageError: It cannot be read.
    """
    picture = imaging.load_photo(path)
    if picture.rgb.shape[:2] != tuple(size_hw):
        mask, photo = (f"{width} x {height}" for height, width in (picture.rgb.shape[:2], size_hw))
        raise OptionError(f"{path} has {mask} pixels and its photograph {photo}: give the mask of this photograph.")
    if picture.alpha is not None:
        return picture.alpha.astype(np.float32) / 255
    if (np.ptp(picture.rgb.astype(np.int16), axis=2) > 1).any():
        raise OptionError(f"{path} is no mask, it has colours: give one of grey levels, or a cut-out.")
    return picture.rgb[..., 0].astype(np.float32) / 255


def _mask_of(photo: Path, folder: Path) -> Path:
    for path in sorted(folder.glob("*")):
        if path.stem == photo.stem and path.suffix.lower() in SUFFIXES and path.resolve() != photo.resolve():
            return path
    raise OptionError(f"{folder} has no mask for {photo}: it is called like the photograph, as {photo.stem}.png.")
