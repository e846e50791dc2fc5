"""Workers in processes of their own, and the memory of processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from _lib.serving import Processes, server_of, this_process
from _lib.subprocess_worker import Worker

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
PROGRAM = f"""
import sys
sys.path[:0] = [{str(BENCHMARKS)!r}, {str(BENCHMARKS.parent / "client")!r}]
from _lib.subprocess_worker import answer_lines

def prepare():
    print("a library greets its user")
    kept = []

    def answer(line):
        print("and again")
        kept.append(bytearray(b"1") * int(line))
        return {{"bytes": len(kept[-1])}}

    return answer

answer_lines(prepare)
"""


def test_answers_are_apart_from_what_libraries_print() -> None:
    with Worker("program", [sys.executable, "-c", PROGRAM]) as worker:
        assert [worker.ask(str(count))["bytes"] for count in (1, 20)] == [1, 20]


def test_its_memory_is_its_own_and_peaks_can_be_forgotten() -> None:
    size = 100_000_000
    with Worker("program", [sys.executable, "-c", PROGRAM]) as worker:
        ours, theirs = this_process().peak_bytes(), worker.processes.resident_bytes()
        worker.ask(str(size))
        assert worker.processes.peak_bytes() - theirs > 0.9 * size
        assert this_process().peak_bytes() - ours < 0.1 * size
        worker.processes.reset_peak_memory()
        assert worker.processes.peak_bytes() >= worker.processes.resident_bytes() - 1e6
    assert worker.processes.resident_bytes() == 0


def test_a_worker_that_ends_is_said_to_have_ended() -> None:
    with pytest.raises(RuntimeError, match="reference has ended with code 3"):
        Worker("reference", [sys.executable, "-c", "raise SystemExit(3)"])


def test_a_server_that_somebody_else_has_started_is_not_looked_into() -> None:
    assert server_of("127.0.0.1:1") is None


def test_a_process_counts_its_children() -> None:
    with Worker("program", [sys.executable, "-c", PROGRAM]) as worker:
        family = Processes(this_process().pid).resident_bytes()
        assert family >= this_process().resident_bytes() + 0.9 * worker.processes.resident_bytes()
