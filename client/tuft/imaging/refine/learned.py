"""Alpha by the matting stage: a network that works on tiles along the edges of a photograph.

It sees the photograph about as large as the network that found the subject did; colours draw what it decided in a
larger one.

Tiles overlap, and where they do the result is a weighted mean of theirs, so that no seam shows. Weights are sixteenths
which add up to one exactly. Only tiles that touch the band are computed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

import cv2
import numpy as np

from tuft import contract
from tuft.imaging.refine.band import WIDE, Band
from tuft.imaging.refine.classical import refine_alpha
from tuft.imaging.refine.edges import edge_models, move
from tuft.imaging.refine.estimates import estimates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tuft.imaging.refine.estimates import Estimates
    from tuft.imaging.refine.grid import Region

    # Maps tiles, uint8 [n, T, T, 9] as `tuft.contract` describes them, to alpha, uint8 [n, T, T, 1].
    Stage = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

Pixel = TypeVar("Pixel", np.uint8, np.float32)

_SIDE: Final = contract.MATTING_TILE
# Neighbouring tiles share this many pixels. The outermost of them know little of what is around: they get no weight.
_OVERLAP: Final = 80
_UNSEEN: Final = 24
_STEP: Final = _SIDE - _OVERLAP
# Weights along one axis are multiples of a sixteenth, so 16 · 16 · 255 fits into 16 bits.
_PARTS: Final = 16
_WHOLE: Final = _PARTS * _PARTS
# The guided filter flattens what the stage has decided less than it flattens a network's edges.
_CONTRAST: Final = np.float32(1.05)
# In photographs this many times as large as the network's picture, the stage corrects its own alpha once more, at twice
# that size. A smaller network was asked for its speed.
_WORTH: Final = 1.5
_TWICE_FROM: Final = 1024
# What the stage has decided is so many times as fine as what the network had said.
_DRAWN: Final = 2
# Tiles per request; the next are prepared while the network works.
_BATCH: Final = 8


def matted(rgb: NDArray[np.uint8], alpha: NDArray[np.float32], size: int, stage: Stage) -> NDArray[np.float32]:
    """Refines alpha with the matting stage, and lets colours draw what it decided.

    The stage sees a larger photograph reduced to the network's working size, where it knows most, and then, from what
    it decided there, at twice that size; colours draw the rest. The work does not grow with the photograph.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: float32 (H, W), 0..1, the network's saliency at the photograph's size.
        size: Working size of the network in pixels; it determines how coarse `alpha` is.
        stage: The matting stage; its exceptions are passed on.

    Returns:
        float32 (H, W), 0..1.
    """
    long_side = max(alpha.shape)
    decided = alpha
    for side in _sides(long_side, size):
        small = _resized(rgb, alpha.shape, side)
        found = _decided(small, _resized(decided, alpha.shape, side), side, stage)
        if found is None:
            break
        decided = found
    if decided.shape == alpha.shape:
        return alpha.copy() if decided is alpha else decided
    return refine_alpha(rgb, _enlarged(decided, alpha.shape), _DRAWN * size)


def _sides(long_side: int, size: int) -> Sequence[int]:
    """The long sides, in pixels, of the pictures that the stage sees, one after the other."""
    first = min(long_side, size)
    second = min(long_side, 2 * size)
    return (first, second) if size >= _TWICE_FROM and long_side >= _WORTH * size else (first,)


def _resized(picture: NDArray[Pixel], size_hw: tuple[int, ...], side: int) -> NDArray[Pixel]:
    """A picture as a photograph of `size_hw` is with its long side at `side` pixels."""
    scale = side / max(size_hw)
    side_hw = tuple(max(1, round(length * scale)) for length in size_hw)
    if picture.shape[:2] == side_hw:
        return picture
    if side_hw[0] > picture.shape[0]:
        return _enlarged(picture, side_hw)
    resized: NDArray[Pixel] = cv2.resize(picture, side_hw[::-1], interpolation=cv2.INTER_AREA)
    return resized


def _enlarged(alpha: NDArray[Pixel], size_hw: tuple[int, ...]) -> NDArray[Pixel]:
    enlarged: NDArray[Pixel] = cv2.resize(alpha, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(enlarged, 0, 1, out=enlarged) if enlarged.dtype == np.float32 else enlarged


def _decided(rgb: NDArray[np.uint8], alpha: NDArray[np.float32], size: int, stage: Stage) -> NDArray[np.float32] | None:
    """The stage's alpha of a photograph no larger than `size`, drawn by the guided filter; None without an edge."""
    known = estimates(rgb, alpha, size)
    if known is None:
        return None
    scale = max(alpha.shape) / size
    band = Band.around(alpha, scale, WIDE)
    decided = _blended(known, band, stage)
    move(decided, rgb, band, edge_models(rgb, decided, decided, scale), _CONTRAST)
    return decided


def _blended(known: Estimates, band: Band, stage: Stage) -> NDArray[np.float32]:
    """The stage's alpha within the band, float32 (H, W); the estimate elsewhere."""
    height, width = known.refined.shape
    places = list(_places(band, (height, width)))
    sums = np.zeros((height, width), np.uint16)
    ramps = [_ramps(length) for length in (height, width)]
    for batch, mattes in _computed(known, places, stage):
        for (row, column), matte in zip(batch, mattes, strict=True):
            weight = np.outer(ramps[0][row], ramps[1][column])
            inside, (rows, columns) = _inside(row, column, (height, width))
            sums[inside] += matte[:rows, :columns, 0] * weight[:rows, :columns]
    return _mixed(known.refined, sums, band)


def _mixed(alpha: NDArray[np.float32], sums: NDArray[np.uint16], band: Band) -> NDArray[np.float32]:
    """The weighted sums as alpha, by the band's weight; `alpha` is changed."""
    for start in range(0, len(sums), _SIDE):
        rows = slice(start, min(start + _SIDE, len(sums)))
        region = (rows, slice(0, sums.shape[1]))
        moved = sums[rows] * np.float32(1 / (255 * _WHOLE))
        moved -= alpha[rows]
        moved *= band.weight(region)
        alpha[rows] += moved
    return alpha


def _computed(
    known: Estimates, places: Sequence[tuple[int, int]], stage: Stage
) -> Iterator[tuple[Sequence[tuple[int, int]], NDArray[np.uint8]]]:
    """Batches of tiles, by their row and column, and the stage's answers."""
    # One request at a time: a server with a bounded queue may let a second one wait, even when it is idle again.
    with ThreadPoolExecutor(1) as network:
        before = None
        for first in range(0, len(places), _BATCH):
            batch = places[first : first + _BATCH]
            tiles = np.stack([_tile(known, row, column) for row, column in batch])
            reply = network.submit(stage, tiles)
            if before is not None:
                yield before[0], before[1].result()
            before = batch, reply
        if before is not None:
            yield before[0], before[1].result()


def _places(band: Band, size_hw: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Row and column of each tile that touches the band."""
    counts = [max(1, -(-(length - _OVERLAP) // _STEP)) for length in size_hw]
    for row in range(counts[0]):
        for column in range(counts[1]):
            inside, _ = _inside(row, column, size_hw)
            if band.weight(inside).any():
                yield row, column


def _inside(row: int, column: int, size_hw: tuple[int, int]) -> tuple[Region, tuple[int, int]]:
    """The part of a tile that lies in the picture, and its height and width."""
    spans = [
        slice(index * _STEP, min(index * _STEP + _SIDE, length))
        for index, length in zip((row, column), size_hw, strict=True)
    ]
    return (spans[0], spans[1]), (spans[0].stop - spans[0].start, spans[1].stop - spans[1].start)


def _tile(known: Estimates, row: int, column: int) -> NDArray[np.uint8]:
    """One tile's planes; beyond the picture its outermost pixels are repeated."""
    height, width = known.refined.shape
    inside, (rows, columns) = _inside(row, column, (height, width))
    planes = known.planes(inside)
    if (rows, columns) != (_SIDE, _SIDE):
        planes = np.pad(planes, ((0, _SIDE - rows), (0, _SIDE - columns), (0, 0)), mode="edge")
    return planes


def _ramps(length: int) -> list[NDArray[np.uint16]]:
    """The weights of each tile along an axis, in sixteenths; at every pixel they add up to 16."""
    count = max(1, -(-(length - _OVERLAP) // _STEP))
    rise = np.linspace(0, _PARTS, _OVERLAP - 2 * _UNSEEN + 2)[1:-1]
    rising = np.concatenate([np.zeros(_UNSEEN), np.rint(rise), np.full(_UNSEEN, _PARTS)]).astype(np.uint16)
    ramps = []
    for index in range(count):
        weights = np.full(_SIDE, _PARTS, np.uint16)
        if index:
            weights[:_OVERLAP] = rising
        if index + 1 < count:
            weights[-_OVERLAP:] = _PARTS - rising
        ramps.append(weights)
    return ramps
