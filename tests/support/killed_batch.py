"""A batch that kills its own process at its n-th change of the output: `killed_batch.py IN OUT INTO N before`."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from typing import Any

import numpy as np

from tuft import Client, FakeTransport, Settings
from tuft.batch.bulk import BatchOptions, results, run_batch
from tuft.batch.bulk.storage import Location

_CHANGES = ("write", "upload", "delete")


def main(input: str, output: str, into: Any, number: int, before: bool) -> None:
    """Runs the batch; `number` 0 kills nothing."""
    network = FakeTransport(lambda image: image.mean(axis=-1).astype(np.float32) / 255)
    Client.from_settings = partial(Client.from_settings, transport=network)  # type: ignore[method-assign]
    results._FLUSH_S = 0.0  # type: ignore[misc]
    count = 0

    def changing(change: Any, *arguments: Any) -> None:
        nonlocal count
        count += 1
        if count == number and before:
            os.kill(os.getpid(), signal.SIGKILL)
        change(*arguments)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in _CHANGES:
        change = getattr(Location, name)
        setattr(Location, name, lambda *arguments, change=change: changing(change, *arguments))
    settings = Settings(preset="stable")
    run_batch(input, output, BatchOptions(size=384, into=into), settings=settings, group=3, concurrency=1)
    print(count)


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]), sys.argv[5] == "before")
