"""A soft shadow under the subject, as if it stood before a wall or on the ground.

Shadows are smooth, so they are computed on a grid of at most some hundred cells a side and enlarged: a photograph of 25
megapixels needs little more memory for its shadow than for its alpha.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

import cv2
import numpy as np

from tuft.errors import OptionError
from tuft.text import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.imaging.geometry import Box

Shadow = Literal["drop", "natural"]
SHADOWS: Final[tuple[Shadow, ...]] = get_args(Shadow)

# All lengths are relative to the subject's longer side, so that a shadow looks the same at every resolution.
_DROP_OFFSET: Final = 0.025  # to the right and down: light from the upper left
_DROP_SIGMA: Final = 0.02
_GROUND_HEIGHT: Final = 0.25  # of a point's shadow behind the feet, relative to the point's height above them
_GROUND_SHIFT: Final = 0.35  # to the right
_GROUND_SIGMA: Final = 0.025  # where the subject's top is projected; half as much at its feet
_CONTACT_HEIGHT: Final = 0.08  # the lowest part of the subject, which nearly touches the ground
_CONTACT_SQUEEZE: Final = 0.25
_CONTACT_SIGMA: Final = 0.012
# No shadow reaches farther: beyond the largest shift the blur is below a level after three standard deviations.
_REACH: Final = 0.5
# The narrowest Gaussian has a standard deviation of about three cells of the grid.
_CELLS_PER_SIGMA: Final = 3.0


def parse_shadow(kind: str) -> Shadow:
    """The kind of a shadow by its name: one of `SHADOWS`, or `3D`, remove.bg's word for `natural`.

    Raises:
        OptionError: There is no such kind.
    """
    found = {"drop": SHADOWS[0], "natural": SHADOWS[1], "3d": SHADOWS[1]}.get(str(kind).lower())
    if found is None:
        raise OptionError(f"There is no shadow {shown(repr(kind), 60)}: choose one of {', '.join(SHADOWS)}, or 3D.")
    return found


def shadow(alpha: NDArray[np.uint8], box: Box, kind: Shadow, opacity: float) -> NDArray[np.uint8]:
    """The shadow that a subject casts.

    `drop` is alpha, moved and blurred, as on a wall close behind. `natural` is alpha projected on the ground, the more
    blurred the higher a point is, together with a narrow shadow where the subject touches the ground.

    Args:
        alpha: uint8 (H, W), the subject.
        box: Its bounding box, not empty.
        kind: One of `SHADOWS`.
        opacity: 0..1, of the shadow where it is darkest.

    Returns:
        uint8 (H, W), the opacity of the shadow.
    """
    side_px = max(box.width, box.height)
    rows, columns = _within_reach(box, round(side_px * _REACH), alpha.shape)
    part = alpha[rows, columns]
    height, width = part.shape
    cell_px = max(1.0, side_px * (_DROP_SIGMA if kind == "drop" else _CONTACT_SIGMA) / _CELLS_PER_SIGMA)
    grid_wh = (max(1, round(width / cell_px)), max(1, round(height / cell_px)))
    cells = cv2.resize(part, grid_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
    side = side_px / cell_px
    if kind == "drop":
        cast = _drop(cells, side)
    else:
        ground = (box.top + box.height - rows.start) / cell_px - 0.5  # pixels have their centres on the grid's numbers
        cast = _on_the_ground(cells, side, box.height / cell_px, ground)
    levels = np.rint(np.clip(cast, 0, 255) * np.float32(opacity)).astype(np.uint8)
    shade = np.zeros_like(alpha)
    shade[rows, columns] = cv2.resize(levels, (width, height), interpolation=cv2.INTER_LINEAR)
    return shade


def _within_reach(box: Box, reach_px: int, size_hw: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the frame in which the shadow lies."""
    rows = slice(max(0, box.top - reach_px), min(size_hw[0], box.top + box.height + reach_px))
    columns = slice(max(0, box.left - reach_px), min(size_hw[1], box.left + box.width + reach_px))
    return rows, columns


def _drop(cells: NDArray[np.float32], side: float) -> NDArray[np.float32]:
    offset = side * _DROP_OFFSET
    return _blurred(_moved(cells, [[1, 0, offset], [0, 1, offset]]), side * _DROP_SIGMA)


def _on_the_ground(cells: NDArray[np.float32], side: float, height: float, ground: float) -> NDArray[np.float32]:
    """Projects the cells on the ground at row `ground`: a point at height h goes up by a share of h, and aside."""
    squeeze = [[1, -_GROUND_SHIFT, _GROUND_SHIFT * ground], [0, _GROUND_HEIGHT, (1 - _GROUND_HEIGHT) * ground]]
    lying = _moved(cells, squeeze)
    near, far = (_blurred(lying, side * _GROUND_SIGMA * share) for share in (0.5, 1.0))
    rows = np.arange(len(cells), dtype=np.float32)[:, None]
    distance = np.clip((ground - rows) / max(1.0, height * _GROUND_HEIGHT), 0, 1)  # 0 at the feet, 1 at the top
    lying = near * (1 - distance) + far * distance
    feet = cells * (rows >= ground - height * _CONTACT_HEIGHT)
    flat = [[1.0, 0.0, 0.0], [0.0, _CONTACT_SQUEEZE, (1 - _CONTACT_SQUEEZE) * ground]]
    touching = _blurred(_moved(feet, flat), side * _CONTACT_SIGMA)
    cast: NDArray[np.float32] = 255 - (255 - lying) * (255 - touching) / 255  # one darkens what the other leaves
    return cast


def _moved(cells: NDArray[np.float32], affine: list[list[float]]) -> NDArray[np.float32]:
    moved: NDArray[np.float32] = cv2.warpAffine(cells, np.array(affine), cells.shape[::-1], flags=cv2.INTER_LINEAR)
    return moved


def _blurred(cells: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur; beyond the frame there is no subject."""
    blurred: NDArray[np.float32] = cv2.GaussianBlur(cells, (0, 0), max(sigma, 1e-3), borderType=cv2.BORDER_CONSTANT)
    return blurred
