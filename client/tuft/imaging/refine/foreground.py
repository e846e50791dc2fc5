"""Foreground estimation: the subject's own colours along its edges, without those of the old background.

A pixel of the band is I = a·F + (1 − a)·B, where I and a are known. Certain foreground and background colours are
extrapolated into the band (pull-push: S. J. Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4.1). Then F and B
are alternately corrected by the least change that satisfies the equation, and smoothed with alpha as the weight (as in
M. Forte, Approximate Fast Foreground Colour Estimation, ICIP 2021, "blur fusion"). Colours vary slowly next to edges,
so this is computed on a coarse grid near the band, and far from it on one twice as coarse; only the last correction is
per pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft.imaging.refine.blocks import Blocks, Enlarged, block_side
from tuft.imaging.refine.grid import cells_of, planes_of, whole_cell
from tuft.imaging.refine.pull_push import pull_push
from tuft.imaging.refine.surroundings import Surroundings, box_means

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Plane = NDArray[np.float32]  # (h, w)
    Planes = NDArray[np.float32]  # (n, h, w)

# The grid's long side has about this many cells, each of at least 2 × 2 pixels; a power of two.
_GRID_SIDE: Final = 768
_SMALLEST_CELL: Final = 2
_LARGEST_CELL: Final = 64
# The weight of a pixel's colour is alpha to this power, a twelfth at 0.9, plus a trifle of alpha itself, which matters
# only where no pixel is opaque.
_SURENESS: Final = 24
_TRIFLE: Final = np.float32(1e-4)
# Certainty below which a cell takes its colours from the coarser grid.
_LITTLE: Final = np.float32(3e-3)
# Dividing by a smaller alpha would amplify noise more than it recovers foreground.
_DIVISIBLE: Final = np.float32(0.5)
# Rounds of correction and smoothing on the coarser grid and on the grid, and the radius of the smoothing in cells.
_FAR_ROUNDS: Final = 4
_NEAR_ROUNDS: Final = 2
_REACH: Final = 2
# Colours farther than this from all soft pixels, in cells, are not looked at.
_MARGIN: Final = 64
# Side of the blocks of a grid that are computed, in cells.
_SIDE: Final = 32
_BLACK: Final = np.float32(0)
_WHITE: Final = np.float32(255)


def estimate_foreground(rgb: NDArray[np.uint8], alpha: Plane) -> NDArray[np.uint8]:
    """Estimates the foreground colours of a cut-out.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: float32 (H, W), 0..1.

    Returns:
        uint8 (H, W, 3): estimated where alpha rounds to 1..254 of 255, equal to the photograph elsewhere.
    """
    cell = max(_SMALLEST_CELL, whole_cell(max(alpha.shape) / _GRID_SIDE, _LARGEST_CELL))
    blocks = _blocks_with(_soft_pixels(alpha), block_side(cell))
    if not len(blocks):
        return rgb.copy()
    near, part = blocks.cropped(_MARGIN * cell)
    layers_at = Enlarged(list(_layers(rgb[part], alpha[part], cell, near)), cell, near.side)
    foreground = rgb.copy()  # not before: the layers have taken memory for a while
    for batch in near.batches():
        seen, shares = batch.of(rgb[part]), batch.of(alpha[part]).reshape(len(batch), -1)
        exact = _exact(layers_at.at(batch), shares, seen)
        cv2.copyTo(exact, _soft_pixels(shares).reshape(1, -1), seen.reshape(1, -1, 3))
        batch.put(foreground[part], seen)
    return foreground


def _soft_pixels(alpha: Plane) -> NDArray[np.uint8]:
    """255 where alpha rounds to 1..254 of 255, else 0: uint8 of the same shape."""
    levels = cv2.convertScaleAbs(alpha, alpha=255)
    soft: NDArray[np.uint8] = cv2.inRange(levels, 1, 254, dst=levels)
    return soft


def _blocks_with(soft: NDArray[np.uint8], side: int) -> Blocks:
    """The blocks of this side with soft pixels."""
    height, width = soft.shape
    whole = height // side * side
    rows = np.bitwise_or.reduce(soft[:whole].reshape(-1, side, width), axis=1)
    rows = np.vstack([rows, np.bitwise_or.reduce(soft[whole:], axis=0)])  # zeros if there are none
    marked = np.bitwise_or.reduceat(rows, np.arange(0, width, side), axis=1)
    return Blocks((height, width), side, *np.nonzero(marked))


def _layers(rgb: NDArray[np.uint8], alpha: Plane, cell: int, blocks: Blocks) -> Planes:
    """F and B on the grid, in the cells of `blocks` and next to them: float32 (6, h, w)."""
    cells = _cells(rgb, alpha, cell)
    height, width = cells.shape[1:]
    near = _cells_near(blocks, cell, (height, width))
    far = _far_layers(_halves(cells), _dilated(near, 2 * _REACH)[::2, ::2])
    wide = [cv2.resize(plane, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[:height, :width] for plane in far]
    return _smoothed([*cells, *wide], near, _NEAR_ROUNDS, _near_layers)


def _cells(rgb: NDArray[np.uint8], alpha: Plane, cell: int) -> Planes:
    """The photograph's colours and alpha on the grid: float32 (4, h, w)."""
    return np.stack([*planes_of(cells_of(rgb, cell)), cells_of(alpha, cell)])


def _far_layers(cells: Planes, near: NDArray[np.bool_]) -> Planes:
    """F and B on a coarser grid, extrapolated from where they are certain, and smoothed near the marked cells."""
    image, alpha = cells[:3], cells[3]
    B = pull_push(image, _certainty(1 - alpha))
    # Subjects that are translucent everywhere have no certain colours, so F is from the equation for this B.
    F = pull_push(_unmixed(image, B, alpha), _certainty(alpha))
    return _smoothed([*cells, *F, *B], near, _FAR_ROUNDS, lambda image, alpha, layers: layers)


def _halves(planes: Planes) -> Planes:
    return np.stack([cells_of(plane, 2) for plane in planes])


def _near_layers(image: Planes, alpha: Plane, far: Planes) -> Planes:
    """F and B at the cells themselves: their own colours where certain, those of `far` (6, h, w) elsewhere."""
    share = 1 - alpha
    B = _filled(image, _certainty(share), far[3:])
    return np.concatenate([_filled(_unmixed(image, B, alpha), _certainty(alpha), far[:3]), B])


def _smoothed(
    start: Sequence[Plane], near: NDArray[np.bool_], rounds: int, layers_of: Callable[[Planes, Plane, Planes], Planes]
) -> Planes:
    """F and B, corrected and smoothed near the marked cells, 0 elsewhere: float32 (6, h, w).

    Args:
        start: Ten planes, float32 (h, w): the photograph's colours, alpha, F and B.
        near: bool (h, w), the mark.
        rounds: How many times to correct and to smooth.
        layers_of: Gives F and B for the first round, of these three.
    """
    margin = rounds * _REACH
    around = Surroundings(start, _SIDE, margin, "reflect")
    layers = np.zeros((6, *near.shape), np.float32)
    for blocks in Blocks.touching(near, 1, _SIDE, (near.shape[0], near.shape[1])).batches(margin):
        gathered = around.of(blocks)
        image, alpha = gathered[:3], gathered[3]
        found = _corrected(layers_of(image, alpha, gathered[4:]), alpha, image, rounds)
        for plane, values in zip(layers, found, strict=True):
            blocks.put(plane, values[:, margin:-margin, margin:-margin])
    return layers


def _cells_near(blocks: Blocks, cell: int, grid_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """The cells on which the pixels of `blocks` depend: bool (h, w)."""
    near = np.zeros(grid_hw, np.uint8)
    across = blocks.side // cell
    blocks.of_cells(near, cell).put(near, np.ones((len(blocks), across, across), np.uint8))
    return _dilated(near.view(np.bool_), 1)


def _dilated(cells: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    side = 2 * radius + 1
    dilated: NDArray[np.bool_] = cv2.dilate(cells.view(np.uint8), np.ones((side, side), np.uint8)).view(np.bool_)
    return dilated


def _filled(colours: Planes, certainty: Plane, around: Planes) -> Planes:
    filled = colours * certainty
    filled += _LITTLE * around
    filled /= certainty + _LITTLE
    return filled


def _certainty(alpha: Plane) -> Plane:
    certainty: Plane = cv2.pow(np.maximum(alpha, 0), _SURENESS)
    certainty += _TRIFLE * alpha
    return certainty


def _unmixed(image: Planes, B: Planes, alpha: Plane) -> Planes:
    """F from the equation for this B."""
    F = image - (1 - alpha) * B
    F /= np.maximum(alpha, _DIVISIBLE)
    np.clip(F, _BLACK, _WHITE, out=F)
    return F


def _corrected(layers: Planes, alpha: Plane, image: Planes, rounds: int) -> Planes:
    """Corrects and smooths F and B (6, n, s, s) alternately, in place.

    A correction gives the closest F and B with a·F + (1 − a)·B = I, clipped to 0..255; smoothing gives their weighted
    means over (2·_REACH + 1)² cells, the plain mean where all weights are zero.
    """
    shares = np.stack([alpha, 1 - alpha])[:, None]
    gains = shares / (shares * shares).sum(axis=0)
    weights = shares + np.float32(1e-3)
    norm = 1 / np.maximum(box_means(weights, _REACH), np.float32(1e-3))
    for _ in range(rounds):
        both = layers.reshape(2, 3, *alpha.shape)
        rest = image - shares[0] * both[0]
        rest -= shares[1] * both[1]
        both += gains * rest
        tall = layers.reshape(-1, layers.shape[-1])
        cv2.threshold(tall, 255, 0, cv2.THRESH_TRUNC, dst=tall)
        cv2.threshold(tall, 0, 0, cv2.THRESH_TOZERO, dst=tall)
        both *= weights
        layers = box_means(layers, _REACH)
        layers.reshape(both.shape)[...] *= norm
    return layers


def _exact(layers: NDArray[np.float32], alpha: Plane, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The F of a correction, rounded.

    Args:
        layers: float32 (6, n, pixels), F and B; overwritten.
        alpha: float32 (n, pixels).
        rgb: uint8 (n, side, side, 3) of the same pixels.

    Returns:
        uint8 (1, n · pixels, 3).
    """
    share = 1 - alpha
    gain = alpha / (alpha * alpha + share * share)
    channels = []
    for F, B, seen in zip(layers[:3], layers[3:], cv2.split(rgb.reshape(1, -1, 3)), strict=True):
        B -= F
        B *= share  # a·(B − F) + I − B = I − F − (1 − a)·(B − F)
        B += F
        np.subtract(seen.reshape(B.shape), B, out=B)
        B *= gain
        F += B
        cv2.threshold(F, 0, 0, cv2.THRESH_TOZERO, dst=F)
        channels.append(cv2.convertScaleAbs(F.reshape(1, -1)))
    corrected: NDArray[np.uint8] = cv2.merge(channels)
    return corrected
