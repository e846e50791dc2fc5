"""What may follow a network: nothing, tuft's classical refinement, rembg's `-a`, the matting stage."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from _lib.served_stage import served_stage
from _lib.subprocess_worker import Worker
from PIL import Image

from _hair.networks import SIZE
from tuft.imaging import refine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from _lib.cases import Case
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]


class Refined(NamedTuple):
    """Alpha, float32 (H, W) in 0..1; colours, uint8 (H, W, 3); processor seconds of the alpha alone."""

    alpha: Plane
    foreground: NDArray[np.uint8]
    cpu_s: float


if TYPE_CHECKING:
    Refinement = Callable[[Case, Plane], Refined]


@contextlib.contextmanager
def refinements(chosen: Sequence[str], rembg: Path | None) -> Iterator[Mapping[str, Refinement]]:
    """The refinements of these names; `rembg` is the interpreter that has it, for `rembg -a`."""
    with contextlib.ExitStack() as stack:
        made: dict[str, Refinement] = {
            "none": lambda case, coarse: Refined(coarse, case.photo, 0.0),
            "classical": _own(lambda case, coarse: refine.refine_alpha(case.photo, coarse, SIZE)),
        }
        if "matting stage" in chosen:
            stage = stack.enter_context(served_stage())
            made["matting stage"] = _own(lambda case, coarse: refine.matted(case.photo, coarse, SIZE, stage))
        if rembg is not None:
            made["rembg -a"] = stack.enter_context(_rembg(rembg))
        yield {name: made[name] for name in ("none", "classical", "rembg -a", "matting stage") if name in made}


def _own(alpha_of: Callable[[Case, Plane], Plane]) -> Refinement:
    def refined(case: Case, coarse: Plane) -> Refined:
        began_s = time.process_time()
        alpha = alpha_of(case, coarse)
        spent_s = time.process_time() - began_s
        return Refined(alpha, refine.estimate_foreground(case.photo, alpha), spent_s)

    return refined


@contextlib.contextmanager
def _rembg(python: Path) -> Iterator[Refinement]:
    """Rembg's own `-a` on the same coarse matte, in its own environment; the colours are its own, too."""
    worker = Path(__file__).with_name("rembg_worker.py")
    with Worker("rembg", [str(python), str(worker)]) as process, tempfile.TemporaryDirectory() as folder:
        photo, mask, cutout = (Path(folder) / f"{name}.png" for name in ("photo", "mask", "cutout"))

        def refined(case: Case, coarse: Plane) -> Refined:
            Image.fromarray(case.photo).save(photo)
            Image.fromarray(np.rint(coarse * 255).astype(np.uint8)).save(mask)
            answer = process.ask(json.dumps({"photo": str(photo), "mask": str(mask), "cutout": str(cutout)}))
            rgba = np.asarray(Image.open(cutout).convert("RGBA"))
            return Refined(rgba[..., 3].astype(np.float32) / 255, rgba[..., :3], answer["cpu_s"])

        yield refined
