"""A batch on this machine, in threads."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tuft.batch.bulk.job import missing_items

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from tuft.batch.bulk.job import Job
    from tuft.batch.bulk.keys import KeySet
    from tuft.batch.bulk.results import Row


def rows(job: Job, done: KeySet, stop: threading.Event) -> Generator[list[Row], None, None]:
    """Does what is missing of a job, and yields rows as they come.

    Raises:
        TuftError: It cannot go on; the class says why.
    """
    cutter = job.cutter(stop)
    try:
        with closing(job.work(cutter, missing_items(job, done))) as worked:
            yield from worked
    finally:
        stop.set()
        cutter.close()
