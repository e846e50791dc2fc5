"""Where the subject lies in its frame: its bounding box, cropping to it, placing and scaling it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from tuft.errors import NoSubjectError
from tuft.imaging.geometry import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.imaging.lengths import Margin

# Alpha that counts for the bounding box, of 255. Networks leave values below it scattered over the background; they are
# invisible, but would make the box as large as the photograph.
VISIBLE: Final = 13


def foreground_box(alpha: NDArray[np.uint8]) -> Box:
    """The bounding box of the subject, all pixels of at least 5 % alpha; of no width if there are none.

    Args:
        alpha: uint8 (H, W).
    """
    alpha = np.ascontiguousarray(alpha)
    (top, height), (left, width) = (_extent(cv2.reduce(alpha, axis, cv2.REDUCE_MAX)) for axis in (1, 0))
    return Box(left, top, width, height)


def _extent(most: NDArray[np.uint8]) -> tuple[int, int]:
    visible = np.flatnonzero(most >= VISIBLE)
    return (int(visible[0]), int(visible[-1] - visible[0] + 1)) if len(visible) else (0, 0)


def cropped_frame(box: Box, margin: Margin) -> Box:
    """The frame around the subject's `box`, with its margins; it may reach beyond the photograph.

    Raises:
        NoSubjectError: The box is empty.
    """
    _require_subject(box)
    top, bottom = (round(length.pixels(box.height)) for length in (margin.top, margin.bottom))
    left, right = (round(length.pixels(box.width)) for length in (margin.left, margin.right))
    return Box(box.left - left, box.top - top, box.width + left + right, box.height + top + bottom)


def placed_box(box: Box, frame_hw: tuple[int, int], scale: float | None, position: tuple[float, float] | None) -> Box:
    """Where the subject's `box` comes to lie in a frame.

    Args:
        box: The subject's bounding box.
        frame_hw: Height and width of the frame in pixels.
        scale: The share of the frame's width or height that the box shall fill, whichever it reaches first; None keeps
            its size.
        position: Shares of the free space to its left and above it, 0..1; None keeps its place. A subject that is
            scaled is centred by default.

    Raises:
        NoSubjectError: The box is empty.
    """
    _require_subject(box)
    width, height = box.width, box.height
    if scale is not None:
        factor = scale * min(frame_hw[1] / width, frame_hw[0] / height)
        width, height = (max(1, round(side * factor)) for side in (width, height))
        position = position or (0.5, 0.5)
    if position is None:
        return Box(box.left, box.top, width, height)
    left, top = round(position[0] * (frame_hw[1] - width)), round(position[1] * (frame_hw[0] - height))
    return Box(left, top, width, height)


def original_position(box: Box, frame_hw: tuple[int, int]) -> tuple[float, float]:
    """The position at which the subject's `box` lies in its frame, as `parse_position` returns it."""
    free_wh = frame_hw[1] - box.width, frame_hw[0] - box.height
    left, top = (at / free if free else 0.5 for at, free in zip(box, free_wh, strict=False))
    return left, top


def _require_subject(box: Box) -> None:
    if not (box.width and box.height):
        raise NoSubjectError("This cut-out is empty, so there is nothing to crop to or to place: give another picture.")


def window(pixels: NDArray[np.uint8], box: Box, *, extend: bool = False) -> NDArray[np.uint8]:
    """What lies in `box`; where it reaches beyond `pixels`, zeros.

    Args:
        pixels: uint8 (H, W) or (H, W, C).
        box: The rectangle, which must overlap with the picture.
        extend: Continues the outermost pixels instead of zeros.

    Returns:
        uint8 (box.height, box.width) or (box.height, box.width, C), C-contiguous, a copy.
    """
    height, width = pixels.shape[:2]
    top, left = max(0, box.top), max(0, box.left)
    bottom, right = min(height, box.top + box.height), min(width, box.left + box.width)
    beyond = top - box.top, box.top + box.height - bottom, left - box.left, box.left + box.width - right
    border = cv2.BORDER_REPLICATE if extend else cv2.BORDER_CONSTANT
    framed: NDArray[np.uint8] = cv2.copyMakeBorder(pixels[top:bottom, left:right], *beyond, border)
    return framed


def only_within(rgba: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """`rgba` (H, W, 4) inside `box`, zero outside; a copy of the same size."""
    kept = np.zeros_like(rgba)
    kept[box.slices] = rgba[box.slices]
    return kept


def resized(pixels: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Resizes a picture: area averaging along axes that shrink, bilinear along axes that grow.

    With alpha, colours are averaged with alpha as their weight, so that transparent pixels do not darken an edge.

    Args:
        pixels: uint8 (H, W), (H, W, 3), or (H, W, 4) with straight alpha.
        size_hw: Height and width of the result.

    Returns:
        uint8; with alpha, zero where alpha is zero.
    """
    if pixels.shape[:2] == size_hw:
        return pixels.copy()
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return _resized_plane(np.ascontiguousarray(pixels), size_hw)
    alpha = cv2.extractChannel(pixels, 3)
    weight = _resized_plane(alpha.astype(np.uint16) * 255, size_hw)  # 255 · 255 · a, as finely as the products below
    result = np.empty((*size_hw, 4), np.uint8)
    result[..., 3] = (weight + np.uint16(127)) // 255
    for channel in range(3):  # one at a time: three products of 25 megapixels would take 150 MB
        product = cv2.multiply(cv2.extractChannel(pixels, channel), alpha, dtype=cv2.CV_16U)
        colour = cv2.divide(_resized_plane(product, size_hw), weight, scale=255, dtype=cv2.CV_8U)
        result[..., channel] = cv2.bitwise_and(colour, colour, mask=np.ascontiguousarray(result[..., 3]))
    return result


def _resized_plane(plane: NDArray[Any], size_hw: tuple[int, int]) -> NDArray[Any]:
    height, width = size_hw
    smaller = (min(width, plane.shape[1]), min(height, plane.shape[0]))
    if smaller != plane.shape[1::-1]:
        plane = cv2.resize(plane, smaller, interpolation=cv2.INTER_AREA)
    if (width, height) != smaller:
        plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
    return plane


def placed(
    pixels: NDArray[np.uint8], source: Box, target: Box, frame_hw: tuple[int, int], *, extend: bool = False
) -> NDArray[np.uint8]:
    """Moves and scales a picture so that `source` comes to lie on `target`, in a frame of another size.

    Only what the frame shows is resized, so that a small subject of a large photograph may grow.

    Args:
        pixels: uint8 (H, W, 3), or (H, W, 4) with straight alpha.
        source: Of `pixels`.
        target: Of the frame.
        frame_hw: Height and width of the frame.
        extend: Continues the outermost pixels into what the picture leaves free, instead of zeros.

    Returns:
        uint8 (*frame_hw, C).
    """
    top, bottom, height, start_row = _visible(pixels.shape[0], source[1::2], target[1::2], frame_hw[0])
    left, right, width, start_column = _visible(pixels.shape[1], source[0::2], target[0::2], frame_hw[1])
    part = resized(pixels[top:bottom, left:right], (height, width))
    return window(part, Box(-start_column, -start_row, frame_hw[1], frame_hw[0]), extend=extend)


def _visible(side: int, source: tuple[int, ...], target: tuple[int, ...], frame: int) -> tuple[int, int, int, int]:
    """Along one axis: first and end of the pixels that the frame shows, their size in it, and where they begin.

    The subject itself is shown as a whole, so these pixels contain `source`: its ends lie on the target's to half a
    pixel.
    """
    (begin, length), (onto, size) = source, target
    factor = size / length
    first = min(begin, max(0, math.floor(begin - onto / factor)))
    end = max(begin + length, min(side, math.ceil(begin + (frame - onto) / factor)))
    start = onto - round((begin - first) * factor)
    return first, end, max(1, onto + size + round((end - begin - length) * factor) - start), start
