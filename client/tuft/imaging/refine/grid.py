"""A coarse grid over an image: square cells of whole pixels, so that any region can be upsampled independently."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeVar

import cv2
import numpy as np

from tuft.imaging.pixels import strips

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixel = TypeVar("Pixel", np.uint8, np.float32)


# Rows that are averaged at once.
_STRIP_ROWS: Final = 256
# Rows and columns of a picture.
Region = tuple[slice, slice]


def cells_of(picture: NDArray[Pixel], cell: int) -> NDArray[Pixel]:
    """Averages cells of cell × cell pixels; cells that overhang the picture are padded with its edge pixels.

    Args:
        picture: uint8 or float32 (H, W) or (H, W, C).
        cell: In pixels.

    Returns:
        (⌈H / cell⌉, ⌈W / cell⌉) or with C channels, of the same type as the picture.
    """
    whole_hw = (picture.shape[0] // cell * cell, picture.shape[1] // cell * cell)
    if whole_hw == picture.shape[:2]:
        return _averaged(picture, cell)
    height, width = whole_hw[0] // cell, whole_hw[1] // cell
    cells: NDArray[Pixel] = np.empty((*grid_hw(picture.shape, cell), *picture.shape[2:]), picture.dtype)
    # Only the overhanging cells are padded, so that a large picture is not copied for a few pixels.
    for rows, columns in (
        (slice(height), slice(width)),
        (slice(height, None), slice(None)),
        (slice(height), slice(width, None)),
    ):
        part = picture[_pixels(rows, cell), _pixels(columns, cell)]
        if part.size:
            cells[rows, columns] = _averaged(_padded(part, cell), cell)
    return cells


def whole_cell(pixels: float, largest: int = 8) -> int:
    """The power of two nearest to `pixels`, up to `largest`: grids of such cells fit into each other."""
    return min(largest, int(2 ** round(math.log2(max(pixels, 1)))))


def grid_hw(size: tuple[int, ...], cell: int) -> tuple[int, int]:
    """The rows and columns of the grid over a picture of `size` (height, width, ...)."""
    return (-(-size[0] // cell), -(-size[1] // cell))


def _pixels(cells: slice, cell: int) -> slice:
    return slice(None if cells.start is None else cells.start * cell, None if cells.stop is None else cells.stop * cell)


def _padded(picture: NDArray[Pixel], cell: int) -> NDArray[Pixel]:
    overhang = (-picture.shape[0] % cell, -picture.shape[1] % cell)
    if not any(overhang):
        return picture
    padded: NDArray[Pixel] = cv2.copyMakeBorder(picture, 0, overhang[0], 0, overhang[1], cv2.BORDER_REPLICATE)
    return padded


def _averaged(picture: NDArray[Pixel], cell: int) -> NDArray[Pixel]:
    height, width = picture.shape[0] // cell, picture.shape[1] // cell
    if cell <= 2 or cell % 2 or picture.dtype != np.uint8:
        return _area_means(picture, (height, width))
    # OpenCV halves bytes many times faster than it divides them by more, and strips keep the halves small.
    cells: NDArray[Pixel] = np.empty((height, width, *picture.shape[2:]), picture.dtype)
    for rows in strips(height, max(1, _STRIP_ROWS // cell)):
        strip = picture[rows.start * cell : rows.stop * cell]
        half = _area_means(strip, (strip.shape[0] // 2, strip.shape[1] // 2))
        cells[rows] = _area_means(half, (rows.stop - rows.start, width))
    return cells


def _area_means(picture: NDArray[Pixel], size_hw: tuple[int, int]) -> NDArray[Pixel]:
    means: NDArray[Pixel] = cv2.resize(picture, size_hw[::-1], interpolation=cv2.INTER_AREA)
    return means


def planes_of(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Converts uint8 (h, w, 3) to float32 (3, h, w): arithmetic with alpha is several times faster on planes."""
    planes: NDArray[np.float32] = np.stack(cv2.split(rgb)).astype(np.float32)
    return planes


def enlarged(cells: NDArray[np.float32], cell: int, region: Region) -> NDArray[np.float32]:
    """Interpolates `cells` bilinearly at the pixels of `region`.

    Args:
        cells: float32 (h, w).
        cell: In pixels.
        region: Rows and columns of the picture, with explicit bounds.
    """
    # The interpolation depends on one more cell on each side.
    first = [max(0, span.start // cell - 1) for span in region]
    last = [-(-span.stop // cell) + 1 for span in region]
    part = cells[first[0] : last[0], first[1] : last[1]]
    pixels: NDArray[np.float32] = cv2.resize(
        part, (part.shape[1] * cell, part.shape[0] * cell), interpolation=cv2.INTER_LINEAR
    )
    rows, columns = (
        slice(span.start - start * cell, span.stop - start * cell) for span, start in zip(region, first, strict=True)
    )
    return pixels[rows, columns]
