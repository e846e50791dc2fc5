"""From a prompt to a matte: the prompt says which subject, the network how it ends.

The network sees the part of the photograph around the prompt. Its alpha is kept inside the prompt's mask, enlarged by a
reach in which fur may end. Where the network finds no end there, another subject begins: the mask's own edge stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import cv2
import numpy as np

from tuft.imaging.geometry import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

# How far beyond a mask its subject may reach, as a share of the square root of the mask's area; at least so many steps
# of the mask's own grid. Both were chosen on scenes of several subjects, see benchmarks/prompts.py.
REACH_SHARE: Final = 0.08
REACH_STEPS: Final = 3.0
# A box is drawn around everything, so less lies beyond it.
BOX_REACH_SHARE: Final = 0.03
# What the network sees around what may be kept, as a share of its longer side.
CONTEXT_SHARE: Final = 0.1
# Below this agreement the network has found another subject, or none: the mask alone says how the subject ends.
MIN_AGREEMENT: Final = 0.5

_SUBJECT: Final = 0.5
_FAINT: Final = 0.05


@dataclass(frozen=True, eq=False)
class Selection:
    """What a prompt selects in a part of a photograph.

    Attributes:
        part: The part, within the photograph, that the network is to see.
        inside: (h, w) bool over the part: what is selected.
        step_px: How far the edge of `inside` may be off: the step of the grid that it was computed on.
        reach_px: How far beyond it the subject may reach.
        is_box: Whether it is a box, which says nothing about the subject's form.
    """

    part: Box
    inside: NDArray[np.bool_]
    step_px: float
    reach_px: float
    is_box: bool = False


class Kept(NamedTuple):
    """An alpha inside a selection.

    Attributes:
        alpha: (h, w) float32, 0..1.
        agreement: How well network and prompt agree, 0..1: the intersection over union of the selected mask and the
            network's kept subject; of a box, of it and the subject's bounding box.
    """

    alpha: NDArray[np.float32]
    agreement: float


def selected_by_mask(logits: NDArray[np.floating[Any]], size_hw: tuple[int, int]) -> Selection | None:
    """The selection of a mask over the whole photograph; None if nothing is selected.

    Args:
        logits: (h, w) float in any size: above zero is selected.
        size_hw: Height and width of the photograph in pixels.
    """
    rows, columns = (np.flatnonzero((logits > 0).any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    steps_yx = size_hw[0] / logits.shape[0], size_hw[1] / logits.shape[1]
    step_px = max(1.0, *steps_yx)
    area_px = np.count_nonzero(logits > 0) * steps_yx[0] * steps_yx[1]
    reach_px = max(REACH_SHARE * math.sqrt(area_px), REACH_STEPS * step_px)
    top, bottom = rows[0] * steps_yx[0], (rows[-1] + 1) * steps_yx[0]
    left, right = columns[0] * steps_yx[1], (columns[-1] + 1) * steps_yx[1]
    part = _part(left, top, right, bottom, reach_px, size_hw)
    return Selection(part, _window(logits, part, steps_yx) > 0, step_px, reach_px)


def selected_by_box(edges: tuple[float, float, float, float], size_hw: tuple[int, int]) -> Selection:
    """The selection of a box alone.

    Args:
        edges: x1, y1, x2, y2 in pixels of the photograph.
        size_hw: Its height and width in pixels.
    """
    x1, y1, x2, y2 = edges
    reach_px = max(BOX_REACH_SHARE * math.sqrt((x2 - x1) * (y2 - y1)), 1.0)
    part = _part(x1, y1, x2, y2, reach_px, size_hw)
    inside = np.zeros((part.height, part.width), bool)
    rows = slice(max(0, math.floor(y1) - part.top), math.ceil(y2) - part.top)
    columns = slice(max(0, math.floor(x1) - part.left), math.ceil(x2) - part.left)
    inside[rows, columns] = True
    return Selection(part, inside, 1.0, reach_px, is_box=True)


def kept_inside(alpha: NDArray[np.float32], selection: Selection) -> Kept:
    """The network's alpha where the prompt allows it, and how well both agree.

    Args:
        alpha: (h, w) float32 in 0..1, the network's for `selection.part`; all zero if it found nothing.
        selection: What the prompt selects.
    """
    outside_px = _distance(~selection.inside)
    kept = np.where(outside_px < selection.reach_px, alpha, np.float32(0))
    if selection.is_box:
        kept = _touching(kept, selection.inside)
        return Kept(kept, _box_agreement(kept >= _SUBJECT, selection.inside))
    edge = _soft_edge(selection, outside_px)
    crossing = _crossing(kept, outside_px, selection)
    kept[crossing] = np.minimum(kept, edge)[crossing]
    kept = _touching(kept, selection.inside)
    agreement = _overlap(kept >= _SUBJECT, selection.inside)
    return Kept(kept if agreement >= MIN_AGREEMENT else edge, agreement)


def within_reach(alpha: NDArray[np.float32], selection: Selection) -> NDArray[np.float32]:
    """Alpha (h, w) without what refinement has drawn beyond the reach of a selection."""
    return np.where(_distance(~selection.inside) < selection.reach_px, alpha, np.float32(0))


def _part(left: float, top: float, right: float, bottom: float, reach_px: float, size_hw: tuple[int, int]) -> Box:
    """What the network sees around a rectangle: what may be kept, and its surroundings, within the photograph."""
    margin_px = reach_px + CONTEXT_SHARE * max(right - left, bottom - top)
    x1, y1 = max(0, math.floor(left - margin_px)), max(0, math.floor(top - margin_px))
    x2, y2 = min(size_hw[1], math.ceil(right + margin_px)), min(size_hw[0], math.ceil(bottom + margin_px))
    return Box(x1, y1, x2 - x1, y2 - y1)


def _window(logits: NDArray[np.floating[Any]], part: Box, steps_yx: tuple[float, float]) -> NDArray[np.float32]:
    """A part of the mask at the photograph's resolution, bilinear: pixels and grid share their outer edges."""
    (step_y, step_x), (left, top, width, height) = steps_yx, part
    to_grid = np.array(
        [[1 / step_x, 0, (left + 0.5) / step_x - 0.5], [0, 1 / step_y, (top + 0.5) / step_y - 0.5]], np.float32
    )
    window: NDArray[np.float32] = cv2.warpAffine(
        logits.astype(np.float32),
        to_grid,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return window


def _distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The distance in pixels from each pixel of `mask` to the nearest one outside of it."""
    distance: NDArray[np.float32] = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance


def _soft_edge(selection: Selection, outside_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """The selected mask with an edge as soft as it is uncertain."""
    signed_px = _distance(selection.inside) - outside_px
    edge: NDArray[np.float32] = np.clip(0.5 + signed_px / (2 * selection.step_px), 0, 1)
    return edge


def _crossing(alpha: NDArray[np.float32], outside_px: NDArray[np.float32], selection: Selection) -> NDArray[np.bool_]:
    """Where, beyond the mask, the network's subject goes on to the end of the reach: there it is another subject."""
    at_rim = (outside_px >= selection.reach_px - 2) & (outside_px < selection.reach_px)
    rim = at_rim & _solid(alpha >= _SUBJECT, selection.reach_px / 2)
    if not rim.any():
        return rim
    to_rim_px = _distance(~rim)
    beyond = (outside_px > 0) & (outside_px < selection.reach_px)
    # A straight way out passes the pixel: its distances to the mask and to the rim add up to the reach.
    crossing: NDArray[np.bool_] = beyond & (to_rim_px + outside_px <= selection.reach_px + 2 + 0.1 * outside_px)
    return crossing


def _solid(subject: NDArray[np.bool_], width_px: float) -> NDArray[np.bool_]:
    """What of a subject is wider than `width_px`: hairs are not, other subjects are."""
    side = 2 * round(width_px / 2) + 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    opened: NDArray[np.uint8] = cv2.morphologyEx(subject.view(np.uint8), cv2.MORPH_OPEN, disk)
    return opened.view(bool)


def _touching(alpha: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Alpha without what lies beyond the mask and is not connected to what it selects."""
    _, labels = cv2.connectedComponents((alpha > _FAINT).view(np.uint8), connectivity=8)
    is_kept = np.zeros(labels.max() + 1, bool)
    is_kept[labels[inside]] = True
    is_kept[0] = True
    return np.where(is_kept[labels], alpha, np.float32(0))


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 0.0


def _box_agreement(subject: NDArray[np.bool_], inside: NDArray[np.bool_]) -> float:
    """Intersection over union of the subject's bounding box and the box that was drawn."""
    rows, columns = (np.flatnonzero(subject.any(axis)) for axis in (1, 0))
    if not len(rows):
        return 0.0
    bounds = np.zeros_like(inside)
    bounds[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return _overlap(bounds, inside)
