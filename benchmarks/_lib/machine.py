"""Describes the machine that a measurement was taken on, in one line or in detail."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

# The instruction sets that matter most to matrix products.
_FLAGS: Final = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
# tritonserver comes in the wheel nvidia-pytriton.
_PACKAGES: Final = ("numpy", "openvino", "nvidia-pytriton", "tritonclient", "torch")
_CACHES: Final = Path("/sys/devices/system/cpu/cpu0/cache")


def machine() -> str:
    """The machine in one line: processor, usable cores, system, Python."""
    system = f"{platform.system()} {platform.machine()}"
    return f"{_processor()}, {_cores()} cores, {system}, Python {platform.python_version()}"


def machine_facts() -> dict[str, Any]:
    """Facts that may explain a time, as values for JSON. Call it before measuring: it includes the current load.

    Memory is in bytes; `load` is the load average of the last minute.
    """
    flags = _cpu_info("flags").split()
    return {
        "machine": machine(),
        "processor": _processor(),
        "cores": _cores(),
        "caches": _caches(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "flags": [flag for flag in _FLAGS if flag in flags],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
        "load": round(os.getloadavg()[0], 2),
    }


def resident_bytes(field: str, pid: int | str = "self") -> int:
    """Resident memory of a process as counted by the kernel; 0 once the process has ended.

    Args:
        field: `VmRSS` for the current value, `VmHWM` for the peak; see proc_pid_status(5).
        pid: Process; this one by default.
    """
    with contextlib.suppress(OSError):
        found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


def _processor() -> str:
    return _cpu_info("model name") or platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _cpu_info(field: str) -> str:
    """A field of the first processor in /proc/cpuinfo; empty if it is not there."""
    file = Path("/proc/cpuinfo")
    for line in file.read_text().splitlines() if file.is_file() else ():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""


def _caches() -> dict[str, str]:
    """Sizes of the first core's caches as written by the kernel: `{"L1 Data": "32K", ...}`."""

    def read(cache: Path, what: str) -> str:
        return (cache / what).read_text().strip()

    return {
        f"L{read(cache, 'level')} {read(cache, 'type')}": read(cache, "size")
        for cache in sorted(_CACHES.glob("index*"))
        if (cache / "size").is_file()
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
