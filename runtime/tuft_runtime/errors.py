"""Errors of loading and running a graph; each message is one line.

GraphError
├── LoadError                    the graph or an engine is missing, or the engine cannot compile the graph
└── InferenceError               the computation failed
    └── InterruptedInferenceError    an `Interrupt` ended it
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# The wordings of OpenVINO, ONNX Runtime, C++ and CUDA.
_OUT_OF_MEMORY: Final = re.compile("failed to allocate|bad[ _]alloc|out of memory", re.IGNORECASE)


class GraphError(Exception):
    """Base of this package's errors.

    Attributes:
        out_of_memory: The cause is a lack of memory; the message then says `out of memory`.
    """

    def __init__(self, message: str, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory


class LoadError(GraphError):
    """The graph or an engine is missing, or the engine cannot compile the graph."""


class InferenceError(GraphError):
    """The computation failed."""


class InterruptedInferenceError(InferenceError):
    """An `Interrupt` ended the computation."""


@contextlib.contextmanager
def raised_as(error: type[GraphError], what: str) -> Iterator[None]:
    """Raises an engine's exceptions, and a lack of memory, as `error` with the message `what: reason`."""
    try:
        yield
    except (MemoryError, RuntimeError) as exc:
        reason, out_of_memory = _reason(exc)
        raise error(f"{what}: {reason}", out_of_memory=out_of_memory) from exc


def _reason(cause: Exception) -> tuple[str, bool]:
    """The cause in one line, and whether it is a lack of memory."""
    lines = (line.strip() for line in str(cause).splitlines())
    # OpenVINO's messages start with the locations in its sources that the exception passed.
    reason = " ".join(line for line in lines if line and not line.startswith("Exception from"))
    if isinstance(cause, MemoryError) or _OUT_OF_MEMORY.search(reason):
        return f"out of memory ({reason})", True
    return reason, False
