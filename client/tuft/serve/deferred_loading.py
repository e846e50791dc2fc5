"""Loading the other models while the first one serves: one after the other, and not while it answers.

Compiling a graph takes all cores. Beside a request it would make that request wait; so each model is loaded once the
server has been quiet for a moment, or after a while in any case.
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

# Between two requests a client on this machine refines and encodes a cut-out and decodes the next photograph, in 1 s at
# 12 megapixels.
QUIET_S: Final = 1.5
PATIENCE_S: Final = 15.0
LOOK_INTERVAL_S: Final = 0.2
BUSY_CORES: Final = 0.25


@dataclass
class Loading:
    """What the background does.

    Attributes:
        model: The model that is being loaded just now, if one is.
    """

    model: str | None = None


@contextmanager
def loading_later(process: ServerProcess, models: tuple[str, ...], timeout_s: float) -> Iterator[Loading]:
    """Loads `models` in the background of the `with` block, and prints how each has gone.

    One that cannot be loaded, or not within `timeout_s` seconds, is left out.
    """
    loading, over = Loading(), threading.Event()
    # Not waited for: a load that is under way at the end ends with the server.
    threading.Thread(target=_load_all, args=(process, models, timeout_s, loading, over), daemon=True).start()
    try:
        yield loading
    finally:
        over.set()


def _load_all(
    process: ServerProcess, models: tuple[str, ...], timeout_s: float, loading: Loading, over: threading.Event
) -> None:
    for model in models:
        _wait_until_quiet(process, over)
        if over.is_set() or process.terminating:
            return
        loading.model = model
        try:
            process.load(model, timeout_s)
            outcome = f"{model} is ready."
        except (SetupError, ServerTimeoutError) as error:
            outcome = str(error)
        except ServerUnreachableError:
            return  # it has ended, and whoever waits for it says so
        if process.terminating:  # it finishes what it has begun, but serves nobody with it
            return
        _tell(outcome)
        loading.model = None


def _wait_until_quiet(process: ServerProcess, over: threading.Event) -> None:
    now_s = quiet_since_s = time.monotonic()
    latest_s, processor_s = now_s + PATIENCE_S, process.processor_s()
    while now_s < min(quiet_since_s + QUIET_S, latest_s) and not over.wait(LOOK_INTERVAL_S):
        before_s, now_s = now_s, time.monotonic()
        before_processor_s, processor_s = processor_s, process.processor_s()
        if processor_s - before_processor_s > BUSY_CORES * (now_s - before_s):
            quiet_since_s = now_s


def _tell(sentence: str) -> None:
    with suppress(BrokenPipeError):  # nobody reads it any more
        print(sentence, flush=True)
