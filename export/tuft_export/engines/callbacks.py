"""Callbacks of a build: a logger that writes to a file, and a progress monitor that can stop the build.

Both derive from classes of the bindings, which may not be installed, so functions create them. TensorRT calls them from
its own threads, where exceptions would be lost, so they raise none.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TextIO

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable


def file_logger(trt: Any, file: TextIO) -> Any:
    """A `tensorrt.ILogger` that writes everything but the verbose messages to `file`, a line each.

    Its attribute `errors` lists the messages that were errors.
    """
    severity_of = trt.ILogger.Severity

    class FileLogger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity == severity_of.VERBOSE:
                return
            if severity in (severity_of.ERROR, severity_of.INTERNAL_ERROR):
                self.errors.append(" ".join(msg.split()))
            # Flushed, so that the last messages before a crash of TensorRT are kept.
            print(f"{severity.name:<14} {msg}", file=file, flush=True)

    return FileLogger()


def progress_monitor(trt: Any, stopped: Callable[[], bool], *, progress: bool) -> Any:
    """A `tensorrt.IProgressMonitor` with a progress bar for each running phase.

    Args:
        trt: The bindings.
        stopped: Called after each step; the build ends when it returns true.
        progress: Show the bars, on standard error.
    """

    class Progress(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._bars: dict[str, tqdm[Any]] = {}
            self._lock = threading.Lock()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                self._bars[phase_name] = tqdm(
                    total=num_steps, desc=phase_name, position=len(self._bars), leave=False, disable=not progress
                )

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                if (bar := self._bars.get(phase_name)) is not None:
                    bar.update(step + 1 - bar.n)
            return not stopped()

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                if (bar := self._bars.pop(phase_name, None)) is not None:
                    bar.close()

    return Progress()
