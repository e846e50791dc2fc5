from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tuft.batch.folder import Outcome, run
from tuft.batch.plan import Job
from tuft.errors import OutputError, ServerBusyError

JOBS = tuple(Job(Path(f"{number}.jpg"), Path(f"{number}.png")) for number in range(20))


def test_outcomes_come_in_order_whatever_finishes_first() -> None:
    told: list[Outcome] = []

    def work(job: Job) -> Outcome:
        time.sleep(0.02 if int(job.source.stem) % 3 == 0 else 0)
        return Outcome(job)

    report = run(JOBS, work, concurrency=4, on_outcome=told.append)
    assert report
    assert tuple(told) == report.outcomes
    assert [outcome.job for outcome in told] == list(JOBS)


def test_one_that_fails_does_not_stop_the_others() -> None:
    def work(job: Job) -> Outcome:
        number = int(job.source.stem)
        if number == 3:
            raise ServerBusyError("full")
        if number == 5:
            raise ZeroDivisionError
        return Outcome(job, fallback_reason="full" if number == 7 else None)

    report = run(JOBS, work)
    assert not report
    assert [outcome.job.source.stem for outcome in report.failures] == ["3", "5"]
    assert isinstance(report.failures[0].error, ServerBusyError)
    assert [outcome.job.source.stem for outcome in report.fallbacks] == ["7"]
    assert len(report.outcomes) == len(JOBS)


def test_no_more_at_once_than_allowed() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def work(job: Job) -> Outcome:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return Outcome(job)

    run(JOBS, work, concurrency=3)
    assert most == 3


def test_an_interruption_drops_what_has_not_begun() -> None:
    begun = []

    def work(job: Job) -> Outcome:
        begun.append(job)
        time.sleep(0.05)
        return Outcome(job)

    def interrupt(_: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(JOBS, work, concurrency=2, on_outcome=interrupt)
    time.sleep(0.2)
    assert len(begun) <= 5


def test_nothing_to_do_is_done() -> None:
    assert run((), Outcome)


@pytest.mark.parametrize(("number", "ends"), [(28, True), (30, True), (5, True), (13, False), (36, False)])
def test_a_disk_that_takes_no_more_ends_the_run(number: int, ends: bool) -> None:
    def work(job: Job) -> Outcome:
        if job.source == JOBS[3].source:
            raise OutputError("It cannot be written.") from OSError(number, "why")
        return Outcome(job)

    report = run(JOBS, work, concurrency=2)
    assert (len(report.outcomes), report.dropped) == ((4, 16) if ends else (20, 0))
    assert [outcome.job for outcome in report.failures] == [JOBS[3]]


def test_a_run_that_is_stopped_completes_what_has_begun() -> None:
    stop, begun = threading.Event(), []

    def work(job: Job) -> Outcome:
        begun.append(job)
        if len(begun) == 3:
            stop.set()
        return Outcome(job)

    report = run(JOBS, work, concurrency=1, stop=stop)
    assert report
    assert [outcome.job for outcome in report.outcomes] == begun
    assert 3 <= len(begun) < len(JOBS)
