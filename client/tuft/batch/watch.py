"""Watches folders for photographs that have arrived completely."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft.batch.inputs import Input
    from tuft.batch.plan import Job

INTERVAL_S: Final = 1.0
RETRY_S: Final = 30.0

# Size, and nanoseconds of the last change.
_State = tuple[int, int]


class Arrivals:
    """Finds photographs that are new or have changed, and complete, by comparing two looks at them.

    A file that is being written changes between two looks, so it is left until its size and its time stay the same.
    Looking needs no library, and sees what another machine writes to a network drive.
    """

    def __init__(self) -> None:
        self._before: dict[Input, _State] = {}
        self._taken: dict[Input, _State] = {}
        self._retry_at_s: dict[Input, float] = {}

    def complete(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs whose photographs have not changed since the last look, and have not been returned as they are now.

        Args:
            jobs: The jobs of all photographs that are there now.
        """
        now = {job.source: state for job in jobs if (state := _state(job.source)) is not None}
        complete = [job for job in jobs if self._is_due(job.source, now.get(job.source))]
        self._taken = {source: state for source, state in self._taken.items() if source in now}
        self._taken |= {job.source: now[job.source] for job in complete}
        self._before = now
        return complete

    def has_taken(self, source: Input) -> bool:
        """Whether a job of `source` has been returned."""
        return source in self._taken

    def retry(self, source: Input) -> None:
        """Lets `complete` return the job of `source` again, after `RETRY_S`."""
        self._taken.pop(source, None)
        self._retry_at_s[source] = time.monotonic() + RETRY_S

    def _is_due(self, source: Input, state: _State | None) -> bool:
        if state is None or self._before.get(source) != state or self._taken.get(source) == state:
            return False
        return time.monotonic() >= self._retry_at_s.get(source, 0.0)


def _state(source: Input) -> _State | None:
    try:
        status = source.stat() if isinstance(source, Path) else None
    except OSError:  # deleted since it was listed
        return None
    return None if status is None else (status.st_size, status.st_mtime_ns)
