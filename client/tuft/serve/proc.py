"""Children, state and processor time of processes, from /proc.

psutil is not used: it is in the extra `server`, which a Triton container does not need, and its `children` reads every
process of the machine, here 50 times a second while a server starts.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """Process ids of the children of a process, those of all its threads; empty if it is gone."""
    found: list[int] = []
    for thread in _threads(pid):
        with suppress(OSError):  # the thread is gone
            found += map(int, (thread / "children").read_text().split())
    return found


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())  # a glob fails at a thread that is ending
    except OSError:
        return []


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and has not been reaped."""
    return _fields(pid)[:1] == ["Z"]


def processor_s(pid: int) -> float:
    """Processor time of a process in seconds, all cores together; 0 if it is gone."""
    fields = _fields(pid)
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")  # utime and stime of proc_pid_stat(5)


def _fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty if the process is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    # The name, in parentheses, may contain anything.
    return stat.rpartition(")")[2].split()
