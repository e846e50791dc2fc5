"""What a process that decodes untrusted files may take: memory, CPU time, and no files."""

from __future__ import annotations

import math
import mmap
import os
from contextlib import suppress
from pathlib import Path


def set_limits(memory_bytes: int) -> None:
    """Bounds this process.

    Args:
        memory_bytes: What it may take beyond what it has now; enforced on Linux.
    """
    import resource  # not on Windows

    limits = {
        resource.RLIMIT_AS: address_space_bytes() + memory_bytes,
        resource.RLIMIT_FSIZE: 0,  # no file may grow; shared memory has its size already
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        with suppress(OSError, ValueError):  # macOS does not limit the address space
            resource.setrlimit(kind, (most, most))
    with suppress(OSError):  # the out-of-memory killer of Linux selects this process first
        Path("/proc/self/oom_score_adj").write_text("1000")


def limit_cpu_time(timeout_s: float) -> None:
    """Ends this process after so many further CPU seconds per core."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed_s = used.ru_utime + used.ru_stime + timeout_s * (os.cpu_count() or 1)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(allowed_s) + 1, resource.RLIM_INFINITY))


def address_space_bytes() -> int:
    """The size of this process's address space; 0 if it is unknown."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    except OSError:
        return 0
