"""Times the phases of a start in a fresh process: `python -m _coldstart.coldstart_worker KIND JSON`, prints JSON.

- `openvino` (graph, precision, cache: a folder or empty): the start of the process of a served model.
- `transparent-background` (checkpoint, jpeg): the whole start of the peer.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Phases = dict[str, dict[str, float]]


def main() -> None:
    """Runs the start, and prints the seconds of each phase: wall-clock (`s`) and CPU time of all cores (`cpu_s`)."""
    kind, options = sys.argv[1], json.loads(sys.argv[2])
    phases: Phases = {}
    kinds: dict[str, Callable[..., None]] = {"openvino": _openvino, "transparent-background": _peer}
    kinds[kind](phases, **options)
    print(json.dumps(phases))


@contextmanager
def _phase(phases: Phases, name: str) -> Iterator[None]:
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    yield
    phases[name] = {"s": time.perf_counter() - began_s, "cpu_s": time.process_time() - began_cpu_s}


def _openvino(phases: Phases, graph: str, precision: str, cache: str) -> None:
    with _phase(phases, "import numpy"):
        import numpy as np
    with _phase(phases, "import openvino"):
        import openvino
    core = openvino.Core()
    properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    if cache:
        core.set_property({"CACHE_DIR": cache})
        properties["CACHE_MODE"] = "OPTIMIZE_SPEED"  # the other mode stores the graph alone, which is compiled again
    with _phase(phases, "read"):
        model = core.read_model(graph)
    with _phase(phases, "reshape"):
        model.reshape([1, *model.inputs[0].partial_shape[1:]])
    with _phase(phases, "compile"):
        request = core.compile_model(model, "CPU", properties).create_infer_request()
    picture = np.zeros([axis.get_length() for axis in model.inputs[0].partial_shape], np.uint8)
    for name in ("first pass", "second pass"):
        with _phase(phases, name):
            request.infer([picture])


def _peer(phases: Phases, checkpoint: str, jpeg: str) -> None:
    import warnings

    warnings.simplefilter("ignore")
    with _phase(phases, "import"):
        import transparent_background  # noqa: F401
    from _lib.published import reference_remover
    from PIL import Image

    with _phase(phases, "construct"):
        remover = reference_remover(Path(checkpoint))
    for name in ("first cut-out", "second cut-out"):
        with _phase(phases, name), Image.open(jpeg) as photo:
            remover.process(photo.convert("RGB"), type="rgba").save(Path(jpeg).with_suffix(".png"))


if __name__ == "__main__":
    main()
