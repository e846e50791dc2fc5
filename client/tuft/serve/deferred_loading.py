"""Loads the other models while the first one serves: one at a time, preferably while the server is idle.

Compiling a graph takes all cores and would delay a concurrent request. So each model is loaded once the server has been
idle for `QUIET_S`, or after `MAX_WAIT_S` in any case.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tuft.errors import ServerTimeoutError, ServerUnreachableError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuft.serve.process import ServerProcess

# Between two requests a client on this machine refines and encodes a cut-out and decodes the next photograph: 1 s at
# 12 megapixels.
QUIET_S: Final = 1.5
MAX_WAIT_S: Final = 15.0
POLL_INTERVAL_S: Final = 0.2
BUSY_CORES: Final = 0.25  # a server that uses more is busy


@dataclass
class Loading:
    """State of the background thread.

    Attributes:
        model: The model that is being loaded, if one is.
    """

    model: str | None = None


@contextmanager
def loading_in_background(process: ServerProcess, models: tuple[str, ...], timeout_s: float) -> Iterator[Loading]:
    """Loads `models` in the background of the `with` block, and prints the outcome of each.

    A model that cannot be loaded, or not within `timeout_s` seconds, is left out.
    """
    loading, stop = Loading(), threading.Event()
    # Not joined: a load in progress ends with the server.
    threading.Thread(target=_load_all, args=(process, models, timeout_s, loading, stop), daemon=True).start()
    try:
        yield loading
    finally:
        stop.set()


def _load_all(
    process: ServerProcess, models: tuple[str, ...], timeout_s: float, loading: Loading, stop: threading.Event
) -> None:
    for model in models:
        _wait_until_idle(process, stop)
        if stop.is_set() or process.terminating:
            return
        loading.model = model
        try:
            process.load(model, timeout_s)
            outcome = f"{model} is ready."
        except (SetupError, ServerTimeoutError) as error:
            outcome = str(error)
        except ServerUnreachableError:
            return  # the server has ended; the thread that waits for it reports that
        if process.terminating:  # the load was completed, but the model will not serve
            return
        _print(outcome)
        loading.model = None


def _wait_until_idle(process: ServerProcess, stop: threading.Event) -> None:
    now_s = idle_since_s = time.monotonic()
    latest_s, processor_s = now_s + MAX_WAIT_S, process.processor_s()
    while now_s < min(idle_since_s + QUIET_S, latest_s) and not stop.wait(POLL_INTERVAL_S):
        before_s, now_s = now_s, time.monotonic()
        before_processor_s, processor_s = processor_s, process.processor_s()
        if processor_s - before_processor_s > BUSY_CORES * (now_s - before_s):
            idle_since_s = now_s


def _print(line: str) -> None:
    with suppress(BrokenPipeError):  # the reader has gone
        print(line, flush=True)
