"""A real tritonserver whose model is controlled by the image, and the results that a caller of the client gets."""

from __future__ import annotations

import re
import time
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from support.calling import wait_until
from support.out_of_memory import WORDS
from support.tiny import misbehaving_model, tiny_repository
from tuft.errors import TuftError
from tuft.serve import ServeOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    from tuft import Client, Cutout
    from tuft.serve import ServerAddresses

# The value of all pixels of a photograph; LARGE has an effect only above 1024.
WELL, SLOW, SLOW_IF_LARGE, DEFECT, MEMORY_IF_LARGE, FIRST_WORD = 0, 1, 2, 3, 4, 10
SLOW_S = 1.0
QUEUE_SIZE = 2
GRACE_S = 1.0  # tolerance beyond the deadline


def obedient_model(seen: Path) -> str:
    """Source of a model.py that answers a ramp, and appends a line to the file `seen` at each execution."""
    ramp = "np.linspace(0, 1, images[..., 0].size, dtype=np.float32).reshape(images.shape[:3])"
    model = misbehaving_model("act(int(images.max()), images.shape[1])")
    return f"""
WORDS = {list(WORDS.values())!r}
{model.replace("np.zeros(images.shape[:3], np.float32)", ramp)}
def act(what, size):
    with open({str(seen)!r}, "a") as file:
        print(what, file=file)
    if what == {SLOW} or (what == {SLOW_IF_LARGE} and size > 1024):
        time.sleep({SLOW_S})
    if what == {DEFECT}:
        raise ValueError("the network is broken")
    if what == {MEMORY_IF_LARGE} and size > 1024:
        raise MemoryError
    if what >= {FIRST_WORD} and size > 1024:
        raise pb.TritonModelException(WORDS[what - {FIRST_WORD}])
"""


def serving_options(folder: Path, sizes: tuple[int, ...]) -> ServeOptions:
    """Options to serve this model with short queues; all its files are in `folder`."""

    def shorten_queue(config: ModelConfig) -> None:
        config.dynamic_batching.default_queue_policy.max_queue_size = QUEUE_SIZE

    repository = tiny_repository(
        folder / "repository", sizes=sizes, model=obedient_model(folder / "seen"), configure=shorten_queue
    )
    return ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0, log_file=folder / "log")


@dataclass(frozen=True)
class FaultyServer:
    """The address of the server, and the requests that its model has seen."""

    addresses: ServerAddresses
    seen: Path

    @property
    def url(self) -> str:
        return self.addresses.grpc

    @property
    def process(self) -> psutil.Process:
        port = f"--grpc-port={self.addresses.grpc_port}"
        (found,) = (child for child in psutil.Process().children() if port in child.cmdline())
        return found

    def executions(self) -> list[int]:
        """The commands of the images that the model has started to process, including the warm-up."""
        return [int(line) for line in self.seen.read_text().split()] if self.seen.exists() else []

    def cancelled(self) -> int:
        """The number of requests that Triton has dropped because they were cancelled."""
        return self._metric("nv_inference_request_failure", 'reason="CANCELED"')

    def queued(self) -> int:
        """The number of queued requests."""
        return self._metric("nv_inference_pending_request_count")

    def _metric(self, name: str, label: str = "") -> int:
        """The sum of a metric over all models."""
        with urllib.request.urlopen(self.addresses.metrics) as answer:
            pattern = rf"^{name}{{[^}}]*{label}[^}}]*}} (\d+)$"
            return sum(map(int, re.findall(pattern, answer.read().decode(), re.MULTILINE)))


@dataclass(frozen=True)
class Outcome:
    """The result of a call, and its duration."""

    cutout: Cutout | None
    error: BaseException | None
    seconds: float


def photo(what: int) -> NDArray[np.uint8]:
    return np.full((8, 8, 3), what, np.uint8)


def attempt(client: Client, what: int = WELL, preset: str | None = None, **options: Any) -> Outcome:
    """Sends a request, at 384 unless a preset is named; asserts that it ends within a second after its deadline."""
    options = {"size": 384, **options} if preset is None else options
    cutout, error = None, None
    began_s = time.monotonic()
    try:
        cutout = client.remove(photo(what), preset, refine="none", **options)
    except (TuftError, KeyboardInterrupt) as failure:
        error = failure
    seconds = time.monotonic() - began_s
    assert seconds < options.get("timeout_s", client.settings.timeout_s) + GRACE_S
    return Outcome(cutout, error, seconds)


@contextmanager
def in_flight(server: FaultyServer, client: Client, what: int = SLOW, **options: Any) -> Iterator[Future[Outcome]]:
    """A request that the model is processing when the `with` block begins."""
    before = len(server.executions())
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(attempt, client, what, **options)
        wait_until(lambda: len(server.executions()) > before)
        yield outcome


@contextmanager
def once_queued(server: FaultyServer, act: Callable[[], object]) -> Iterator[list[float]]:
    """Calls `act` as soon as a request is queued on the server; returns the time of the call."""
    acted_s: list[float] = []

    def watch() -> None:
        wait_until(lambda: server.queued() > 0)
        acted_s.append(time.monotonic())
        act()

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        yield acted_s
        watching.result()


def seconds_until_served(client: Client, timeout_s: float = 30.0) -> float:
    """The time until the next success."""
    began_s = time.monotonic()
    while attempt(client, timeout_s=2.0).cutout is None:
        assert time.monotonic() < began_s + timeout_s, "the client does not recover"
        time.sleep(0.05)
    return time.monotonic() - began_s
