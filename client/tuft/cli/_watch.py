"""`tuft remove --watch`: cuts out what arrives in folders until a signal comes."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuft.batch import folder
from tuft.batch.own_outputs import OwnOutputs
from tuft.batch.plan import collisions
from tuft.batch.watch import INTERVAL_S, Arrivals
from tuft.cli._shared import DONE, error_line, print_error
from tuft.errors import ImageError
from tuft.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuft.batch.inputs import Input
    from tuft.batch.plan import Job, Plan


def watch(plan: Callable[[OwnOutputs], Plan], work: Callable[[Job], folder.Outcome], *, concurrency: int) -> int:
    """Runs `work` on the jobs of photographs as they arrive; the first SIGINT or SIGTERM ends it between two of them.

    Args:
        plan: The jobs of all photographs that are there now.
        work: Runs one job.
        concurrency: Maximum number of jobs at the same time.

    Returns:
        The exit code: a photograph that fails does not fail the watch.
    """
    arrivals, own = Arrivals(), OwnOutputs()
    refused: set[Input] = set()
    count = 0

    def on_outcome(outcome: folder.Outcome) -> None:
        nonlocal count
        source = outcome.job.source
        if outcome.error is not None:
            print_error(error_line(outcome.error, subject=str(source)))
            if not isinstance(outcome.error, ImageError):
                arrivals.retry(source)
        elif not outcome.earlier:
            count += 1
            print(f"{source} -> {outcome.job.target}", flush=True)

    with _stopped_by_signals() as stop:
        print("Watching; Ctrl-C ends it.", flush=True)
        while not stop.is_set():
            jobs = sorted(plan(own).jobs, key=lambda job: not arrivals.has_taken(job.source))  # a target's first stays
            colliding = dict(collisions(jobs))
            for job, error in colliding.items():
                if job.source not in refused:
                    refused.add(job.source)
                    print_error(error_line(error))
            complete = arrivals.complete([job for job in jobs if job not in colliding])
            folder.run(complete, work, concurrency=concurrency, on_outcome=on_outcome, stop=stop)
            stop.wait(INTERVAL_S)
    print(f"{counted(count, 'photograph')} cut out")
    return DONE


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one ends the program at once."""
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, end)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
