"""Ways to steady alpha over time, the chosen one and its rivals; each takes a whole clip."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft.batch.video.motion import Motion
from tuft.batch.video.reading import Frame
from tuft.batch.video.steady import Matted, steadied
from tuft.imaging import refine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tuft_training.clips import ClipFrame

    Plane = NDArray[np.float32]
    Photos = Sequence[NDArray[np.uint8]]
    Alphas = list[Plane]
    Motions = Sequence[Motion | None]

_DELAY_TOLERANCE: Final = 0.1
_EXPONENTIAL: Final = 0.8


@dataclass(frozen=True, eq=False)
class Material:
    """A clip as it is seen, and what the network says of it.

    Attributes:
        photos: (H, W, 3) uint8, each.
        coarse: (H, W), 0..1, each: the network's saliency, scaled and resized.
        frozen: The same, scaled as the first frame of the shot.
        alphas: (H, W), 0..1, each: refined.
        size: The network's, in pixels.
        frames: As they were generated.
    """

    photos: Photos
    coarse: Alphas
    frozen: Alphas
    alphas: Alphas
    size: int
    frames: Sequence[ClipFrame]

    @cached_property
    def motions(self) -> Motions:
        """The motion to each frame from the one before."""
        return [None, *(Motion(before, after) for before, after in itertools.pairwise(self.photos))]

    def refined(self, coarse: Alphas) -> Alphas:
        """Each coarse matte, its edges drawn after its photograph."""
        return [_rounded(refine.refine_alpha(*pair, self.size)) for pair in zip(self.photos, coarse, strict=True)]


class GlobalFirst(Motion):
    """The motion of the camera, from sparse features, is taken out before the dense flow."""

    @cached_property
    def _flows(self) -> tuple[Plane, Plane]:
        return self._flow(self.after, self.before), self._flow(self.before, self.after)

    def _flow(self, here: NDArray[np.uint8], there: NDArray[np.uint8]) -> Plane:
        rows, columns = np.indices(here.shape[:2], dtype=np.float32)
        matrix = _camera(here, there)
        ways = [matrix[row, 0] * columns + matrix[row, 1] * rows + matrix[row, 2] for row in (0, 1)]
        camera = np.dstack([ways[0] - columns, ways[1] - rows]).astype(np.float32)
        border = cv2.BORDER_REPLICATE
        back = cv2.remap(there, columns + camera[..., 0], rows + camera[..., 1], cv2.INTER_LINEAR, borderMode=border)
        rest: Plane = Motion(back, here)._flows[0]
        rest += cv2.remap(camera, columns + rest[..., 0], rows + rest[..., 1], cv2.INTER_LINEAR, borderMode=border)
        return rest


class ExactMotion(Motion):
    """The motion with which the frames were generated."""

    def __init__(self, before: NDArray[np.uint8], after: NDArray[np.uint8], ways: tuple[Plane, Plane]) -> None:
        super().__init__(before, after)
        self.__dict__["_flows"] = ways


def _camera(here: NDArray[np.uint8], there: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(2, 3): the similarity that most features follow."""
    grey, other = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (here, there))
    points = cv2.goodFeaturesToTrack(grey, 400, 0.01, 7)
    found, known, _ = cv2.calcOpticalFlowPyrLK(grey, other, points, None, winSize=(21, 21), maxLevel=3)
    kept = known[:, 0] > 0
    matrix, _ = cv2.estimateAffinePartial2D(points[kept], found[kept], ransacReprojThreshold=1.0)
    known_matrix: NDArray[np.float64] = np.eye(2, 3) if matrix is None else matrix
    return known_matrix


def _rounded(alpha: Plane) -> Plane:
    rounded: Plane = np.rint(alpha * 255).astype(np.float32) / np.float32(255)
    return rounded


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


def mean_of_five(alphas: Alphas, motions: Motions) -> Alphas:
    """As `mean_of_three`, of two frames before and two after."""
    steady = []
    for index, own in enumerate(alphas):
        total, weight = own.copy(), np.ones_like(own)
        for other in (index - 2, index - 1, index + 1, index + 2):
            moved = _moved(alphas, motions, other, index)
            if moved is not None:
                total += moved[1] * moved[0]
                weight += moved[1]
        steady.append(total / weight)
    return steady


def _moved(alphas: Alphas, motions: Motions, start: int, end: int) -> tuple[Plane, Plane] | None:
    """Alpha of a frame, moved step by step into another one, and how far it can be trusted; None beyond a cut."""
    if not 0 <= start < len(alphas):
        return None
    alpha, trust = alphas[start], np.ones_like(alphas[start])
    for step in range(start, end) if start < end else range(start, end, -1):
        motion = motions[step + 1] if start < end else motions[step]
        if motion is None or motion.is_cut:
            return None
        if start < end:
            alpha, trust = motion.from_before(alpha), motion.from_before(trust) * motion.backward_trust
        else:
            alpha, trust = motion.from_after(alpha), motion.from_after(trust) * motion.forward_trust
    return alpha, trust


def _exact(clip: Material) -> Motions:
    pairs = itertools.pairwise(zip(clip.photos, clip.frames, strict=True))
    return [
        None,
        *(
            ExactMotion(before, after, (there.way_to(here), here.way_to(there)))
            for (before, here), (after, there) in pairs
        ),
    ]


def _global(clip: Material) -> Motions:
    return [None, *(GlobalFirst(before, after) for before, after in itertools.pairwise(clip.photos))]


def _coarse_first(clip: Material) -> Alphas:
    return mean_and_memory(clip.refined(mean_and_memory(clip.coarse, clip.motions)), clip.motions)


def _frozen(clip: Material) -> Alphas:
    return mean_and_memory(clip.refined(clip.frozen), clip.motions)


EXACT: Final = "chosen, with the exact motion"
STABILISERS: Final[Mapping[str, Callable[[Material], Alphas]]] = {
    "one-frame delay": lambda clip: one_frame_delay(clip.alphas, clip.motions),
    "median of three": lambda clip: median_of_three(clip.alphas, clip.motions),
    "mean of three": lambda clip: mean_of_three(clip.alphas, clip.motions),
    "mean of five": lambda clip: mean_of_five(clip.alphas, clip.motions),
    "exponential mean": lambda clip: exponential_mean(clip.alphas, clip.motions),
    "mean and memory: chosen": lambda clip: mean_and_memory(clip.alphas, clip.motions),
    "chosen, scaling frozen": _frozen,
    "chosen, coarse map steadied, too": _coarse_first,
    "chosen, camera's motion first": lambda clip: mean_and_memory(clip.alphas, _global(clip)),
    EXACT: lambda clip: mean_and_memory(clip.alphas, _exact(clip)),
}


def moving_error(clip: Material, truths: NDArray[np.float32], shots: Sequence[int]) -> float:
    """DtSSD of an error that only moves: each frame's error of alpha, moved into the next one by the exact motion.

    No steadying over time takes it away: it is detail that the network misses, and that moves with the subject.
    """
    errors = [alpha - truth for alpha, truth in zip(clip.alphas, truths, strict=True)]
    changes = []
    for index, motion in enumerate(_exact(clip)):
        if motion is not None and shots[index] == shots[index - 1]:
            before = errors[index - 1]
            lies = motion.from_before((before + 1) / 2) * 2 - 1
            changes.append(float(np.sqrt(np.mean(np.square(lies - before)))))
    return 100 * float(np.mean(changes))
