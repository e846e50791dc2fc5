"""Ways to steady alpha over time, the chosen one and its rivals; each takes a whole clip."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

from tuft.batch.video.motion import Motion
from tuft.batch.video.reading import Frame
from tuft.batch.video.steady import Matted, steadied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Plane = NDArray[np.float32]
    Alphas = list[Plane]
    Motions = Sequence[Motion | None]

_DELAY_TOLERANCE: Final = 0.1
_EXPONENTIAL: Final = 0.8


def motions_of(photos: Sequence[NDArray[np.uint8]]) -> list[Motion | None]:
    """The motion to each frame from the one before."""
    return [None, *(Motion(before, after) for before, after in itertools.pairwise(photos))]


def one_frame_delay(alphas: Alphas, _motions: Motions) -> Alphas:
    """Z. Ke et al., MODNet, AAAI 2022: where both neighbours agree and this one differs, it is their mean."""
    steady = list(alphas)
    for index in range(1, len(alphas) - 1):
        before, own, after = alphas[index - 1 : index + 2]
        agree = np.abs(before - after) <= _DELAY_TOLERANCE
        differs = (np.abs(own - before) > _DELAY_TOLERANCE) & (np.abs(own - after) > _DELAY_TOLERANCE)
        steady[index] = np.where(agree & differs, (before + after) / 2, own)
    return steady


def median_of_three(alphas: Alphas, motions: Motions) -> Alphas:
    """The median with both neighbours, moved along the flow."""
    steady = list(alphas)
    for index in range(1, len(alphas) - 1):
        before, after = motions[index], motions[index + 1]
        if before and after and not before.is_cut and not after.is_cut:
            moved = (before.from_before(alphas[index - 1]), after.from_after(alphas[index + 1]))
            steady[index] = np.median(np.stack([alphas[index], *moved]), axis=0)
    return steady


def mean_of_three(alphas: Alphas, motions: Motions) -> Alphas:
    """The mean with both neighbours, moved along the flow, where flow and colours agree."""
    steady = []
    for index, own in enumerate(alphas):
        total, weight = own.copy(), np.ones_like(own)
        before = motions[index]
        after = motions[index + 1] if index + 1 < len(alphas) else None
        if before and not before.is_cut:
            total += before.backward_trust * before.from_before(alphas[index - 1])
            weight += before.backward_trust
        if after and not after.is_cut:
            total += after.forward_trust * after.from_after(alphas[index + 1])
            weight += after.forward_trust
        steady.append(total / weight)
    return steady


def exponential_mean(alphas: Alphas, motions: Motions) -> Alphas:
    """The mean with all frames before, moved along the flow, where flow and colours agree."""
    steady: Alphas = []
    for own, motion in zip(alphas, motions, strict=True):
        if motion is None or motion.is_cut:
            steady.append(own)
            continue
        share = np.float32(_EXPONENTIAL) * motion.backward_trust
        steady.append(own + share * (motion.from_before(steady[-1]) - own))
    return steady


def mean_and_memory(alphas: Alphas, motions: Motions) -> Alphas:
    """What `tuft.batch.video.steady` does."""
    nothing = np.zeros((1, 1, 3), np.uint8)
    frames = (
        Matted(Frame(index, index, 1, nothing), nothing, alpha, None, motion)
        for index, (alpha, motion) in enumerate(zip(alphas, motions, strict=True))
    )
    return [steady for _, steady in steadied(frames)]


STABILISERS: Final[Mapping[str, Callable[[Alphas, Motions], Alphas]]] = {
    "one-frame delay": one_frame_delay,
    "median of three": median_of_three,
    "mean of three": mean_of_three,
    "exponential mean": exponential_mean,
    "mean and memory": mean_and_memory,
}
