"""Two real tritonservers behind a round robin, and what the simulation says of the same arrivals."""

from __future__ import annotations

import hashlib
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib.load import arrivals_s, closed_loop, open_loop

from _fleet.simulation import Fleet, Scaler, simulate
from tuft import contract, provenance
from tuft.serve import ServeOptions, running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_INSTANCES: Final = 2
_SIZE: Final = 384
_MEAN_S: Final = 1.0  # of a paced request: long against what a busy machine adds
_SPREAD: Final = 0.3
_UNIT_S: Final = 0.01
# A model that takes the time that its picture says, however busy the machine is: what is checked is Triton's queueing.
_PACED: Final = """
import time
import numpy as np, triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            image = pb.get_input_tensor_by_name(request, "IMAGE").as_numpy()
            time.sleep(0.01 * int(image[0, 0, 0, 0]))
            responses.append(pb.InferenceResponse([pb.Tensor("SALIENCY", np.zeros(image.shape[:3], np.float32))]))
        return responses
"""


def repository(published: Path, folder: Path, *, paced: bool) -> Path:
    """A repository with one model, whose queue Triton does not bound, as behind a gateway; paced, it sleeps."""
    name = contract.model_name(_SIZE)
    shutil.copytree(published / name, folder / name, symlinks=False)
    (version,) = (path for path in (folder / name).iterdir() if path.name.isdecimal())
    config = folder / name / "configs" / "python.pbtxt"
    config.write_text(re.sub(r"  default_queue_policy \{.*?\n  \}\n", "", config.read_text(), flags=re.DOTALL))
    if paced:
        (version / "model.py").write_text(_PACED)
        hashes = [hashlib.sha256(text).hexdigest() for text in (b"paced", (version / "model.onnx").read_bytes())]
        chain = [{"kind": "checkpoint", "name": "paced", "sha256": hashes[0]}]
        chain.append({"kind": "onnx", "sha256": hashes[1], "from": hashes[0]})
        (version / "provenance.json").unlink()
        provenance.write(version, model=name, version=version.name, chain=chain)
    return folder


def compared(served: Path, loads: Sequence[float], requests: int, *, paced: bool) -> list[dict[str, Any]]:
    """For each load, a share of the capacity: the 95th percentile on two servers, and in the simulation.

    Service times are measured before each load, with one caller for each server, so that both compute at the same time.
    Those of paced requests are known, and what is measured is what the server adds to them.
    """
    options = ServeOptions(served, sizes=(_SIZE,), http_port=0, grpc_port=0, metrics_port=0)
    with ExitStack() as stack:
        asks = [_asking(stack.enter_context(running_server(options)).grpc) for _ in range(_INSTANCES)]
        return [_one(asks, load, requests, seed, paced=paced) for seed, load in enumerate(loads)]


def _one(asks: Sequence[Callable[[int], Any]], load: float, requests: int, seed: int, *, paced: bool) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    units = np.clip(_MEAN_S / _UNIT_S * rng.lognormal(-(_SPREAD**2) / 2, _SPREAD, requests), 1, 255).astype(int)
    alone_s = _alone_s(asks, int(_MEAN_S / _UNIT_S) // 2 if paced else 0, 12 if paced else 40)
    added_s = float(np.mean(alone_s)) - (_MEAN_S / 2 if paced else 0.0)
    known_s = units * _UNIT_S + added_s if paced else rng.choice(alone_s, requests)
    at_s = arrivals_s(load * _INSTANCES / float(np.mean(known_s)), requests, seed=seed)
    window = open_loop(lambda number: asks[number % _INSTANCES](int(units[number])), at_s, lambda: None)
    fleet = Fleet(Scaler(_INSTANCES, _INSTANCES), most_waiting=10_000)
    predicted = simulate(at_s, fleet, lambda numbers: float(known_s[numbers[0]]))
    measured_s = [call.latency_ms / 1e3 for call in window.answered]
    p95_s = {"measured": float(np.percentile(measured_s, 95)), "predicted": predicted.percentile_s(95)}
    return {
        "load": load,
        "requests": requests,
        "service_ms": float(np.mean(known_s)) * 1e3,
        "added_ms": added_s * 1e3,
        "measured_p95_ms": p95_s["measured"] * 1e3,
        "predicted_p95_ms": p95_s["predicted"] * 1e3,
        "measured_p50_ms": float(np.median(measured_s)) * 1e3,
        "predicted_p50_ms": predicted.percentile_s(50) * 1e3,
        "ratio": p95_s["predicted"] / p95_s["measured"],
    }


def _alone_s(asks: Sequence[Callable[[int], Any]], units: int, count: int) -> list[float]:
    """Seconds of calls that wait for nobody: as many callers as servers, each with its own."""
    with ThreadPoolExecutor(len(asks)) as pool:
        windows = pool.map(lambda ask: closed_loop(lambda _: ask(units), 1, count, lambda: None), asks)
        return [call.latency_ms / 1e3 for window in windows for call in window.answered]


def _asking(url: str) -> Callable[[int], Any]:
    import tritonclient.grpc

    server = tritonclient.grpc.InferenceServerClient(url)
    noise = np.random.default_rng(0).integers(0, 256, (1, _SIZE, _SIZE, contract.CHANNELS), np.uint8)

    def ask(units: int) -> Any:
        picture = noise.copy()
        picture[0, 0, 0, 0] = units
        tensor = tritonclient.grpc.InferInput(contract.INPUT_NAME, list(picture.shape), contract.INPUT_DTYPE)
        tensor.set_data_from_numpy(picture)
        return server.infer(contract.model_name(_SIZE), [tensor])

    return ask
