"""How long each stage of a request takes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGES: Final = ("decode", "resize", "network", "postprocess", "refine", "colours", "compose")


class Stopwatch:
    """Adds up milliseconds per stage; a stage that did not happen took none.

    Attributes:
        milliseconds: From each of `STAGES`, in their order, to the time spent in it.
    """

    def __init__(self) -> None:
        self.milliseconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Counts the time inside the `with` block towards the stage `name`, whether or not it ends well."""
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self.milliseconds[name] += (time.perf_counter() - began_s) * 1e3
