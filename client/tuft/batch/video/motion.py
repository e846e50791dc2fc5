"""Motion between consecutive frames: dense optical flow, and where it can be trusted."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]

# Flow is computed on frames of at most this long side: it is smooth, and doubling it takes four times as long.
_LONG_SIDE: Final = 640
# The pyramid of the optical flow ends at half of that: at a quarter, as in OpenCV's fast preset, thin parts are missed.
_FINEST_SCALE: Final = 1
_PATCH_STRIDE: Final = 6  # instead of 4: a quarter less time, the same errors
# Trust falls to 1/e where going there and back misses by so many pixels, and where colours differ by so many levels.
_MISSED_PX: Final = 1.0
_DIFFERENT: Final = 8.0
_BLUR: Final = (5, 5)
_MEAN: Final = np.full((1, 3), 1 / 3, np.float32)  # of three channels
_SUM: Final = np.ones((1, 2), np.float32)  # of two
# Below this mean trust there is a cut between two frames.
_CUT: Final = 0.3
# The patches of the optical flow are as large.
_SMALLEST: Final = 16
_LOCAL = threading.local()


@dataclass(frozen=True, eq=False)
class Motion:
    """How the picture moves from one frame to the next.

    Attributes:
        before: The earlier frame, uint8 (H, W, 3).
        after: The later one.
    """

    before: NDArray[np.uint8] = field(repr=False)
    after: NDArray[np.uint8] = field(repr=False)

    @cached_property
    def _flows(self) -> tuple[Plane, Plane]:
        """At each pixel of the later frame the way to the earlier one, and the other way round: (H, W, 2)."""
        before, after = _grey(self.before), _grey(self.after)
        return _flow(after, before, self.after.shape), _flow(before, after, self.after.shape)

    @cached_property
    def backward_trust(self) -> Plane:
        """(H, W), 0..1: how far `from_before` can be trusted at each pixel of the later frame."""
        towards, away = self._flows
        return _trust(self.after, self.before, towards, away)

    @cached_property
    def forward_trust(self) -> Plane:
        """(H, W), 0..1: how far `from_after` can be trusted at each pixel of the earlier frame."""
        away, towards = self._flows
        return _trust(self.before, self.after, towards, away)

    @cached_property
    def is_cut(self) -> bool:
        """Whether the later frame shows something else."""
        return float(self.backward_trust.mean()) < _CUT

    def from_before(self, alpha: Plane) -> Plane:
        """Alpha (H, W), 0..1, of the earlier frame as it lies in the later one."""
        return _moved_alpha(alpha, self._flows[0])

    def from_after(self, alpha: Plane) -> Plane:
        """Alpha (H, W), 0..1, of the later frame as it lies in the earlier one."""
        return _moved_alpha(alpha, self._flows[1])

    @cached_property
    def residual(self) -> Plane:
        """(H, W): by how many levels the earlier frame, moved, differs from the later one."""
        return _difference(self.after, self.before, self._flows[0])


def _grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = min(1.0, _LONG_SIDE / max(rgb.shape[:2]))
    if scale < 1:
        size_wh = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        rgb = cv2.resize(rgb, size_wh, interpolation=cv2.INTER_AREA)
    grey: NDArray[np.uint8] = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return grey


def _flow(here: NDArray[np.uint8], there: NDArray[np.uint8], shape: tuple[int, ...]) -> Plane:
    """For each pixel of `here` the way to the same point in `there`, in pixels of a frame of `shape`."""
    if min(here.shape) < _SMALLEST:
        return np.zeros((*shape[:2], 2), np.float32)
    if not hasattr(_LOCAL, "dis"):  # it has buffers, and serves one thread
        _LOCAL.dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        _LOCAL.dis.setFinestScale(_FINEST_SCALE)
        _LOCAL.dis.setPatchStride(_PATCH_STRIDE)
    flow: Plane = _LOCAL.dis.calc(here, there, None)
    height, width = shape[:2]
    if flow.shape[:2] != (height, width):
        scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
        flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR) * scale
    return flow


def _moved(plane: Plane | NDArray[np.uint8], flow: Plane, interpolation: int = cv2.INTER_LINEAR) -> Plane:
    height, width = flow.shape[:2]
    rows, columns = np.indices((height, width), dtype=np.float32)
    moved: Plane = cv2.remap(
        plane, columns + flow[..., 0], rows + flow[..., 1], interpolation, borderMode=cv2.BORDER_REPLICATE
    )
    return moved


def _moved_alpha(alpha: Plane, flow: Plane) -> Plane:
    """Bicubic: a bilinear one blurs edges at every step, which costs more than steadying gains."""
    return np.clip(_moved(alpha, flow, cv2.INTER_CUBIC), 0, 1)


def _difference(here: NDArray[np.uint8], there: NDArray[np.uint8], towards: Plane) -> Plane:
    difference: Plane = cv2.transform(cv2.absdiff(_moved(there, towards), here).astype(np.float32), _MEAN)
    return difference


def _trust(here: NDArray[np.uint8], there: NDArray[np.uint8], towards: Plane, away: Plane) -> Plane:
    """How well the way `towards` another frame agrees with the way back, and its colours with those `here`."""
    missed = towards + _moved(away, towards)
    different = cv2.blur(_difference(here, there, towards), _BLUR)
    doubt = cv2.transform(cv2.multiply(missed, missed), _SUM) * np.float32(-1 / _MISSED_PX**2)
    doubt -= cv2.multiply(different, different) * np.float32(1 / _DIFFERENT**2)
    trust: Plane = cv2.exp(doubt)
    return trust
