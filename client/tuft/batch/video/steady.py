"""Steadies alpha over time: each frame is averaged with its neighbours where motion leads from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tuft.batch.video.motion import Motion
    from tuft.batch.video.reading import Frame
    from tuft.cutout import Cutout

    Plane = NDArray[np.float32]

# The most that the past, steadied already, may weigh.
_MEMORY: Final = np.float32(0.8)
# How far it may lead beyond the range of the three frames where alpha is one half; nowhere where alpha is certain.
_MARGIN: Final = np.float32(0.1)
# Alphas that differ by less than a hundredth of a level are the same.
_SAME: Final = np.float32(0.01 / 255)


@dataclass(frozen=True, eq=False)
class Matted:
    """A frame with its alpha.

    Attributes:
        frame: The decoded frame.
        photo: (H, W, 3) uint8.
        alpha: (H, W) float32 in 0..1.
        cutout: Where it comes from; None if the network found no subject.
        motion: From the frame before; None for the first.
    """

    frame: Frame
    photo: NDArray[np.uint8] = field(repr=False)
    alpha: Plane = field(repr=False)
    cutout: Cutout | None = field(repr=False)
    motion: Motion | None = field(repr=False)


@dataclass(frozen=True, eq=False)
class Past:
    """What the next frame needs of those before it.

    Attributes:
        photo: The last frame, (H, W, 3) uint8.
        alpha: Its alpha, (H, W) float32.
        steady: The same, steadied.
    """

    photo: NDArray[np.uint8]
    alpha: Plane
    steady: Plane


def steadied(frames: Iterator[Matted], past: Past | None = None) -> Iterator[tuple[Matted, Plane]]:
    """Each frame with its steadied alpha, one frame behind.

    First a frame is averaged with the one before and the one after it, moved along the optical flow, where flow and
    colours agree. The mean is then drawn to what the frame before has become, but not out of the range of the three:
    what has moved away leaves no trail. Behind a moving subject and at a cut, a frame keeps its own alpha.

    Args:
        frames: With their motions.
        past: Of the frame before the first, if there is one.
    """
    current = next(frames, None)
    while current is not None:
        following = next(frames, None)
        steady = _steady(current, past, following)
        yield current, steady
        past = Past(current.photo, current.alpha, steady)
        current = following


def _steady(current: Matted, past: Past | None, following: Matted | None) -> Plane:
    own = current.alpha
    neighbours = list(_neighbours(current, past, following))
    memory = None
    if past is not None and current.motion is not None and not current.motion.is_cut:
        memory = (current.motion.from_before(past.steady), current.motion.backward_trust)
    others = neighbours if memory is None else [*neighbours, memory]
    differs = np.zeros(own.shape, bool)
    for moved, _ in others:
        differs |= cv2.absdiff(moved, own) > _SAME
    where = np.flatnonzero(differs)  # elsewhere, which is nearly everywhere, all agree
    taken = [(moved.take(where), trust.take(where)) for moved, trust in others]
    steady = own.copy()
    steady.put(where, _held(own.take(where), taken[: len(neighbours)], taken[len(neighbours) :]))
    return steady


def _held(own: Plane, neighbours: list[tuple[Plane, Plane]], memory: list[tuple[Plane, Plane]]) -> Plane:
    """The mean with both neighbours, drawn to the memory within their range; all (n,)."""
    total, weight, least, most = own.copy(), np.ones_like(own), own, own
    for moved, trust in neighbours:
        total += trust * moved
        weight += trust
        seen = own + trust * (moved - own)
        least, most = np.minimum(least, seen), np.maximum(most, seen)
    mean: Plane = total / weight
    for past, trust in memory:
        margin = 4 * _MARGIN * mean * (1 - mean)
        mean = np.clip(mean + _MEMORY * trust * (past - mean), least - margin, most + margin)
    return mean


def _neighbours(current: Matted, past: Past | None, following: Matted | None) -> Iterator[tuple[Plane, Plane]]:
    """Alpha of the frames before and after, moved into this one, and how far it can be trusted."""
    before = current.motion
    if past is not None and before is not None and not before.is_cut:
        yield before.from_before(past.alpha), before.backward_trust
    after = None if following is None else following.motion
    if following is not None and after is not None and not after.is_cut:
        yield after.from_after(following.alpha), after.forward_trust
