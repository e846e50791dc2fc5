"""What the kernel tells about processes, in /proc: who descends from whom, who is dead, who computes."""

from __future__ import annotations

import os
from pathlib import Path


def children(pid: int) -> list[int]:
    """The children of a process, those of all its threads."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, file.read_text().split())
        except OSError:  # the thread is gone
            continue
    return found


def is_zombie(pid: int) -> bool:
    """Whether a process is dead and has not been collected."""
    return _fields(pid)[:1] == ["Z"]


def processor_s(pid: int) -> float:
    """Seconds that a process has computed, on all cores together; 0 if it is gone."""
    fields = _fields(pid)
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")  # utime and stime of proc_pid_stat(5)


def _fields(pid: int) -> list[str]:
    """Of the kernel's line about a process, from its state on; none if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    # The name, in parentheses, may contain anything.
    return stat.rpartition(")")[2].split()
