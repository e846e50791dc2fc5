from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.calling import wait_until

from tuft.serve.proc import children, is_zombie, processor_s

NOBODY = 2**22 + 1  # above the largest process id of Linux


def test_children_are_those_of_every_thread() -> None:
    started: list[subprocess.Popen[bytes]] = []
    here = subprocess.Popen(["sleep", "60"])
    over = threading.Event()

    def start() -> None:
        started.append(subprocess.Popen(["sleep", "60"]))
        over.wait()

    thread = threading.Thread(target=start)
    thread.start()
    wait_until(lambda: bool(started))
    try:
        assert {here.pid, started[0].pid} <= set(children(os.getpid()))
        assert children(here.pid) == children(NOBODY) == []
    finally:
        for process in (here, *started):
            process.kill()
            process.wait()
        over.set()
        thread.join()


def test_threads_that_end_meanwhile_are_no_failure() -> None:
    program = "import threading; [threading.Thread(target=input).start() for _ in range(50)]; print(flush=True)"
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.kill()
            while process.poll() is None:
                assert children(process.pid) == []


@pytest.mark.parametrize("name", ["sleep", "a) Z (b", "a b"])
def test_who_is_dead_and_not_collected_is_a_zombie_whatever_its_name(tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        assert not is_zombie(process.pid)
        process.kill()
        wait_until(lambda: is_zombie(process.pid))
    assert not is_zombie(process.pid)


def test_time_of_the_processor_is_what_the_process_itself_says() -> None:
    before = processor_s(os.getpid()), time.process_time()
    while time.process_time() < before[1] + 0.3:
        pass
    after = processor_s(os.getpid()), time.process_time()
    assert after[0] - before[0] == pytest.approx(after[1] - before[1], abs=0.05)
    assert processor_s(NOBODY) == 0
