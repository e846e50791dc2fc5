"""Which photographs have arrived completely, look by look."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tuft.batch import watch
from tuft.batch.plan import Job
from tuft.batch.watch import Arrivals

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path / "dog.jpg", tmp_path / "out" / "dog.png")


def write(job: Job, data: bytes, time_ns: int) -> None:
    path = job.target.parent.parent / str(job.source)
    path.write_bytes(data)
    os.utime(path, ns=(time_ns, time_ns))


def test_a_file_that_grows_is_left_until_it_stays_the_same(job: Job) -> None:
    arrivals = Arrivals()
    for size in range(1, 6):
        write(job, b"x" * size, size)
        assert arrivals.complete([job]) == []
    assert arrivals.complete([job]) == [job]
    assert arrivals.complete([job]) == []
    assert arrivals.has_taken(job.source)


def test_a_file_that_is_written_in_place_is_left_too(job: Job) -> None:
    arrivals = Arrivals()
    for time_ns in range(1, 5):  # of the same size, as a download that reserves its space
        write(job, b"xxxx", time_ns)
        assert arrivals.complete([job]) == []
    assert arrivals.complete([job]) == [job]


def test_a_file_that_changes_or_comes_back_is_taken_again(job: Job) -> None:
    arrivals = Arrivals()
    write(job, b"one", 1)
    assert [arrivals.complete([job]) for _ in range(3)] == [[], [job], []]
    write(job, b"two", 2)
    assert [arrivals.complete([job]) for _ in range(3)] == [[], [job], []]
    assert arrivals.complete([]) == []
    assert not arrivals.has_taken(job.source)
    assert [arrivals.complete([job]) for _ in range(3)] == [[], [job], []]


def test_a_file_that_is_gone_is_no_arrival(job: Job) -> None:
    arrivals = Arrivals()
    assert [arrivals.complete([job]) for _ in range(3)] == [[], [], []]


def test_what_could_not_be_done_is_tried_again_after_a_while(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    arrivals, now_s = Arrivals(), [100.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now_s[0])
    write(job, b"one", 1)
    assert [arrivals.complete([job]) for _ in range(2)] == [[], [job]]
    arrivals.retry(job.source)
    now_s[0] += watch.RETRY_S - 1
    assert arrivals.complete([job]) == []
    now_s[0] += 1
    assert [arrivals.complete([job]) for _ in range(2)] == [[job], []]
