"""Two real tritonservers behind a round robin, and what the simulation says of the same arrivals.

On a machine that does other things, too, requests take longer at one moment than at another. So the simulation is given
what each request of this very run has taken: the model notes it. What is predicted, and compared, is how long requests
wait for one another.
"""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tritonclient.grpc
from _lib.load import arrivals_s, closed_loop, open_loop
from _lib.sealing import seal_anew

from _fleet.simulation import Fleet, Scaler, simulate
from tuft import contract
from tuft.serve import ServeOptions, running_server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INSTANCES: Final = 2
_SIZE: Final = 384
_MODEL: Final = contract.model_name(_SIZE)
_MEAN_S: Final = 0.3  # of a paced request
_SPREAD: Final = 0.3
_UNIT_S: Final = 0.005
_PROBES: Final = 6  # calls of each caller that tell how fast requests may come
_STEPS: Final = ("queue", "compute_input", "compute_infer", "compute_output")
# Takes the time that its picture says, however busy the machine is.
_PACED: Final = """
import time
import numpy as np, triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            image = pb.get_input_tensor_by_name(request, "IMAGE").as_numpy()
            time.sleep({unit_s} * int(image[0, 0, 0, 0]))
            responses.append(pb.InferenceResponse([pb.Tensor("SALIENCY", np.zeros(image.shape[:3], np.float32))]))
        return responses
"""
# Notes how long each request has taken; its number is in the second pixel.
_NOTED: Final = """
import sys, time
from pathlib import Path
import triton_python_backend_utils as pb
sys.path.insert(0, str(Path(__file__).parent))
from served import TritonPythonModel as Served

class TritonPythonModel(Served):
    def execute(self, requests):
        began_s = time.perf_counter()
        responses = super().execute(requests)
        took_s = (time.perf_counter() - began_s) / len(requests)
        with open({times!r}, "a") as file:
            for request in requests:
                pixel = pb.get_input_tensor_by_name(request, "IMAGE").as_numpy()[0, 0, 1]
                file.write(f"{{int(pixel[0]) + 256 * int(pixel[1])}} {{took_s}}\\n")
        return responses
"""


@dataclass(frozen=True)
class Served:
    """What both servers serve.

    Attributes:
        models: The repository.
        times: Where the model notes the number of each request and its seconds.
        paced: Whether it sleeps instead of computing.
    """

    models: Path
    times: Path
    paced: bool

    def noted_s(self) -> dict[int, float]:
        """Seconds in the model of each request since the last call."""
        lines = [line.split() for line in self.times.read_text().splitlines()]
        self.times.write_text("")
        return {int(number): float(seconds) for number, seconds in lines}


def repository(published: Path, folder: Path, *, paced: bool) -> Served:
    """A repository with one model, whose queue Triton does not bound, as behind a gateway."""
    served = Served(folder / "models", folder / "times", paced)
    shutil.copytree(published / _MODEL, served.models / _MODEL, symlinks=False)
    (version,) = (path for path in (served.models / _MODEL).iterdir() if path.name.isdecimal())
    config = served.models / _MODEL / "configs" / "python.pbtxt"
    config.write_text(re.sub(r"  default_queue_policy \{.*?\n  \}\n", "", config.read_text(), flags=re.DOTALL))
    (version / "model.py").rename(version / "served.py")
    if paced:
        (version / "served.py").write_text(_PACED.format(unit_s=_UNIT_S))
    (version / "model.py").write_text(_NOTED.format(times=str(served.times)))
    served.times.write_text("")
    seal_anew(version, "timed")
    return served


def compared(served: Served, loads: Sequence[float], requests: int) -> list[dict[str, Any]]:
    """For each load, a share of the capacity: the 95th percentile on two servers, and in the simulation.

    What a request takes outside of the server is the mean of the same run: its latency less the server's own total.
    """
    options = ServeOptions(served.models, sizes=(_SIZE,), http_port=0, grpc_port=0, metrics_port=0)
    with ExitStack() as stack:
        servers = [_Server(stack.enter_context(running_server(options)).grpc) for _ in range(_INSTANCES)]
        return [_one(served, servers, load, requests, seed) for seed, load in enumerate(loads)]


def _one(served: Served, servers: Sequence[_Server], load: float, requests: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    units = np.clip(_MEAN_S / _UNIT_S * rng.lognormal(-(_SPREAD**2) / 2, _SPREAD, requests), 1, 255).astype(int)
    expected_s = float(np.mean(units) * _UNIT_S) if served.paced else _alone_s(servers)
    served.noted_s()
    at_s = arrivals_s(load * _INSTANCES / expected_s, requests, seed=seed)
    window = open_loop(
        lambda number: servers[number % _INSTANCES].ask(number, int(units[number])),
        at_s,
        lambda: sum((server.totals_s() for server in servers), np.zeros(len(_STEPS))),
    )
    latencies_s = np.array([call.latency_ms / 1e3 for call in window.answered])
    noted_s = served.noted_s()
    steps_s = (window.after - window.before) / requests
    # An instance is occupied for all steps but the queue, of which the model sees its own part alone.
    beside_s = float(steps_s[1:].sum() - np.mean(list(noted_s.values())))
    outside_s = float(latencies_s.mean() - steps_s.sum())
    fleet = Fleet(Scaler(_INSTANCES, _INSTANCES), most_waiting=10_000)
    predicted = simulate(at_s, fleet, lambda numbers: noted_s[numbers[0]] + beside_s)
    predicted_s = np.array(predicted.latencies_s) + outside_s
    p95_s = {"measured": float(np.percentile(latencies_s, 95)), "predicted": float(np.percentile(predicted_s, 95))}
    return {
        "load": predicted.busy_s / (_INSTANCES * at_s[-1]),
        "requests": requests,
        "service_ms": predicted.busy_s / requests * 1e3,
        "outside_ms": outside_s * 1e3,
        "measured_queue_ms": float(steps_s[0]) * 1e3,
        "measured_p95_ms": p95_s["measured"] * 1e3,
        "predicted_p95_ms": p95_s["predicted"] * 1e3,
        "measured_p50_ms": float(np.median(latencies_s)) * 1e3,
        "predicted_p50_ms": float(np.median(predicted_s)) * 1e3,
        "ratio": p95_s["predicted"] / p95_s["measured"],
    }


def _alone_s(servers: Sequence[_Server]) -> float:
    """Seconds of a call that waits for nobody: as many callers as servers, each with its own."""
    with ThreadPoolExecutor(len(servers)) as pool:
        windows = pool.map(lambda one: closed_loop(lambda _: one.ask(0, 0), 1, _PROBES, lambda: None), servers)
        return float(np.mean([call.latency_ms / 1e3 for window in windows for call in window.answered]))


class _Server:
    """One tritonserver, as a client sees it."""

    def __init__(self, url: str) -> None:
        self._client = tritonclient.grpc.InferenceServerClient(url)
        self._noise = np.random.default_rng(0).integers(0, 256, (1, _SIZE, _SIZE, contract.CHANNELS), np.uint8)

    def ask(self, number: int, units: int) -> Any:
        picture = self._noise.copy()
        picture[0, 0, 0, 0] = units
        picture[0, 0, 1, :2] = number % 256, number // 256
        tensor = tritonclient.grpc.InferInput(contract.INPUT_NAME, list(picture.shape), contract.INPUT_DTYPE)
        tensor.set_data_from_numpy(picture)
        return self._client.infer(_MODEL, [tensor])

    def totals_s(self) -> Any:
        """Seconds of all requests so far, in the queue and in the three steps of an instance; float64 [4]."""
        (model,) = self._client.get_inference_statistics(_MODEL).model_stats
        return np.array([getattr(model.inference_stats, step).ns / 1e9 for step in _STEPS])
