"""A client that uses only tritonclient and the wire contract, and a view of running processes."""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
from tritonclient import grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


class Caller:
    """Requests saliency from one server."""

    def __init__(self, address: str) -> None:
        self.client = grpc.InferenceServerClient(address)

    def ask(self, images: NDArray[np.uint8], *, queue_timeout_s: float | None = None) -> NDArray[np.float32]:
        tensor = grpc.InferInput("IMAGE", list(images.shape), "UINT8")
        tensor.set_data_from_numpy(images)
        timeout_us = None if queue_timeout_s is None else round(queue_timeout_s * 1e6)
        reply = self.client.infer(f"inspyrenet_{images.shape[1]}", [tensor], timeout=timeout_us)
        return np.asarray(reply.as_numpy("SALIENCY"))

    def ask_at_once(
        self, batches: Sequence[NDArray[np.uint8]]
    ) -> list[NDArray[np.float32] | grpc.InferenceServerException]:
        """Sends all requests concurrently; exceptions are returned, not raised."""

        def outcome(images: NDArray[np.uint8]) -> NDArray[np.float32] | grpc.InferenceServerException:
            try:
                return self.ask(images)
            except grpc.InferenceServerException as exc:
                return exc

        with ThreadPoolExecutor(len(batches)) as pool:
            return list(pool.map(outcome, batches))

    def is_alive(self) -> bool:
        try:
            return bool(self.client.is_server_live())
        except grpc.InferenceServerException:
            return False


def random_images(count: int, size: int = 384, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)


def descendants() -> list[psutil.Process]:
    """All descendants of this process."""
    return psutil.Process().children(recursive=True)


def shared_memory_regions() -> set[str]:
    """Regions of Python backends, except those of servers that other tests, also of other runs, have started.

    Processes that the running test has started are told from others by their `TMPDIR`.
    """
    own = f"TMPDIR={os.environ['TMPDIR']}".encode()
    others: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if own not in (process / "environ").read_bytes().split(b"\0"):
                others.update(re.findall(r"/dev/shm/(tuft_\S+)", (process / "maps").read_text()))
    return {path.name for path in Path("/dev/shm").glob("tuft_*")} - others
