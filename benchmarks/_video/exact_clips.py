"""The clips of the benchmark: generated with exact alpha, and recorded as a camera does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft_training.clips import FAST, STILL_CAMERA, Motion, clip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tuft_training.clips import ClipFrame

SIZE_HW: Final = (240, 320)
FRAMES: Final = 24
RATE: Final = 25
_PLAIN: Final[Mapping[str, str]] = {}
# From a group to its clips: a seed, and what `tuft_training.clips.clip` takes.
CLIPS: Final[Mapping[str, Mapping[str, dict[str, Any]]]] = {
    "tripod": {
        "talking head": {"seed": 40, "kind": "portrait", "motion": STILL_CAMERA},
        "lying animal": {"seed": 2, "kind": "curled", "motion": STILL_CAMERA},
        "standing animal": {"seed": 1, "kind": "quadruped", "motion": STILL_CAMERA},
        "fur from near": {"seed": 7, "kind": "close_up", "motion": STILL_CAMERA},
        "figure": {"seed": 9, "kind": "figure", "motion": STILL_CAMERA},
        "two shots": {"seed": 11, "shots": 2, "motion": STILL_CAMERA},
    },
    "hand-held": {
        "lying animal": {"seed": 2, "kind": "curled", "motion": Motion()},
        "fur from near": {"seed": 7, "kind": "close_up", "motion": Motion()},
        "portrait": {"seed": 31, "kind": "portrait", "motion": Motion()},
    },
    "fast": {"standing animal": {"seed": 1, "kind": "quadruped", "motion": FAST}},
}


@dataclass(frozen=True, eq=False)
class ExactClip:
    """A recorded clip and its truth.

    Attributes:
        path: Its file.
        alphas: (n, H, W) float32 in 0..1.
        shots: The number of each frame's shot.
        frames: Its frames as they were generated.
    """

    path: Path
    alphas: NDArray[np.float32]
    shots: list[int]
    frames: list[ClipFrame]


def recorded(
    path: Path,
    frames: int = FRAMES,
    *,
    size_hw: tuple[int, int] = SIZE_HW,
    encoder: Mapping[str, str] = _PLAIN,
    **how: Any,
) -> ExactClip:
    """Generates a clip and records it as H.264 at a camera's bitrate (CRF 18); `encoder` are further options."""
    import av

    made = list(clip(how.pop("seed"), size_hw, frames, **how))
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE, options={"crf": "18", **encoder})
        stream.height, stream.width = size_hw
        stream.pix_fmt = "yuv420p"
        for frame in made:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, "rgb24")))
        output.mux(stream.encode(None))
    return ExactClip(path, np.stack([frame.alpha for frame in made]), [frame.shot for frame in made], made)
