"""Parity of every precision and runtime with float32 in torch, and its effect on mattes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from PIL import Image

from _gpu.contestants import REFERENCE, pass_from_contestant
from _gpu.results import OK, failure
from _gpu.timing import release, synchronise
from tuft_export.sample_images import stress_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from _lib.cases import Case
    from numpy.typing import NDArray

    from _gpu.contestants import Contestant
    from _gpu.measured_network import MeasuredNetwork
    from _gpu.passes import Pass
    from _gpu.results import Row

    Picture = NDArray[np.uint8]
    Saliency = NDArray[np.float32]

GREY_LEVEL: Final = 1 / 255
_THRESHOLD: Final = 0.5
_PHOTOGRAPHS: Final = ("astronaut", "chelsea", "coffee", "rocket")
_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@dataclass(frozen=True, eq=False)
class Answers:
    """The saliency maps of one contestant.

    Attributes:
        singles: float32 [n, S, S], one picture at a time.
        batch: float32 [b, S, S], the first b pictures in one batch.
    """

    singles: Saliency
    batch: Saliency


@dataclass(frozen=True)
class Difference:
    """The difference of two saliency maps in 0..1; pixels that are not finite count as off by 1.

    Attributes:
        max_abs: Largest absolute difference.
        mean_abs: Mean absolute difference.
        off_share: Share of pixels that differ by more than one grey level of 255.
        iou: IoU of the masks at one half; 1 if both are empty.
        not_finite: Number of pixels that are NaN or infinite.
    """

    max_abs: float
    mean_abs: float
    off_share: float
    iou: float
    not_finite: int


def parity_pictures(size_px: int, folder: Path | None) -> dict[str, Picture]:
    """Pictures uint8 [S, S, 3] by name: stress tests of half precision, from scikit-image, and from `folder`."""
    pictures = stress_pictures(size_px) | _photographs(size_px)
    for path in sorted(folder.iterdir()) if folder else ():
        if path.suffix.lower() in _SUFFIXES:
            with Image.open(path) as photo:
                pictures[path.name] = _squashed(photo, size_px)
    return pictures


def measure_parity(
    network: MeasuredNetwork,
    contestants: Sequence[Contestant],
    pictures: Mapping[str, Picture],
    cases: Sequence[Case],
    batch: int,
    device: torch.device,
    over: Callable[[], bool],
) -> Iterator[Row]:
    """Yields one row per contestant, the reference first; if the reference fails, the others are skipped.

    Args:
        network: The network.
        contestants: The reference first.
        pictures: uint8 [S, S, 3] by name, to compare with the reference on.
        cases: Pictures of the same size with known alpha.
        batch: Number of pictures, or all if there are fewer, that are also computed in one batch.
        device: Device to run on.
        over: Called before each contestant is loaded; if it returns True, the remaining ones are skipped.
    """
    photos = [*pictures.values(), *(case.photo for case in cases)]
    size_px = len(photos[0])
    expected: Answers | None = None
    for contestant in contestants:
        if over():
            return
        run: Pass | None = None
        row: Row = {"network": network.name, "size": size_px, "contestant": str(contestant)}
        try:
            run = pass_from_contestant(contestant, network, size_px, device, batch)
            actual = answers(run, photos, batch, device)
        except Exception as exc:
            yield row | failure(exc)
        else:
            expected = actual if contestant == REFERENCE else expected
            if expected is not None:
                scored = {"quality": quality(list(actual.singles[len(pictures) :]), cases)} if cases else {}
                yield row | {"status": OK, **differences(list(pictures), actual, expected), **scored}
        run = None  # frees its memory on the device
        torch.compiler.reset()
        release(device)
        if expected is None:
            return


def answers(run: Pass, pictures: Sequence[Picture], batch: int, device: torch.device) -> Answers:
    """Computes every picture alone, and the first `batch` pictures in one batch."""
    singles = [_asked(run, picture[None], device) for picture in pictures]
    return Answers(np.concatenate(singles), _asked(run, np.stack(pictures[:batch]), device))


def differences(names: Sequence[str], actual: Answers, expected: Answers) -> dict[str, Any]:
    """Differences from the reference by picture, and of the batch from the same pictures alone, as plain values."""
    by_picture = {
        name: asdict(difference(ours, theirs))
        for name, ours, theirs in zip(names, actual.singles, expected.singles, strict=False)
    }
    return {"pictures": by_picture, "batch": asdict(difference(actual.batch, actual.singles[: len(actual.batch)]))}


def difference(actual: Saliency, expected: Saliency) -> Difference:
    """Compares two maps, or two batches, of the same shape."""
    off = np.nan_to_num(np.abs(actual - expected), nan=1, posinf=1)
    masks = actual > _THRESHOLD, expected > _THRESHOLD
    union = np.count_nonzero(masks[0] | masks[1])
    return Difference(
        max_abs=float(off.max()),
        mean_abs=float(off.mean(dtype=np.float64)),
        off_share=float((off > GREY_LEVEL).mean()),
        iou=np.count_nonzero(masks[0] & masks[1]) / union if union else 1.0,
        not_finite=int(np.count_nonzero(~np.isfinite(actual))),
    )


def quality(saliencies: Sequence[Saliency], cases: Sequence[Case]) -> Mapping[str, float]:
    """Means over pictures with known alpha: intersection over union, and gradient error (sum, in thousands)."""
    from tuft_training.measures import gradient_error, intersection_over_union

    finite = [np.nan_to_num(saliency, nan=0, posinf=1, neginf=0) for saliency in saliencies]
    pairs = list(zip(finite, cases, strict=True))
    return {
        "iou": float(np.mean([intersection_over_union(s > _THRESHOLD, c.alpha > _THRESHOLD) for s, c in pairs])),
        "gradient": float(np.mean([gradient_error(s, c.alpha) for s, c in pairs])),
    }


def _asked(run: Pass, pictures: Picture, device: torch.device) -> Saliency:
    images = torch.tensor(pictures).to(device)
    synchronise(device)  # the pass may use another stream
    saliency: Saliency = run(images).float().cpu().numpy()
    return saliency


def _photographs(size_px: int) -> dict[str, Picture]:
    try:
        import skimage.data
    except ImportError:
        return {}
    folder = Path(skimage.data.__file__).parent
    files = [path for name in _PHOTOGRAPHS for path in sorted(folder.glob(f"{name}.*")) if path.suffix in _SUFFIXES]
    pictures = {}
    for path in files:
        with Image.open(path) as photo:
            pictures[path.stem] = _squashed(photo, size_px)
    return pictures


def _squashed(photo: Image.Image, size_px: int) -> Picture:
    return np.asarray(photo.convert("RGB").resize((size_px, size_px), Image.Resampling.BILINEAR))
