"""Resources of a client's process and its server (memory, descriptors, threads, processes, files) and their growth."""

from __future__ import annotations

import ctypes
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil  # type: ignore[import-untyped,unused-ignore]
from scipy.stats import theilslopes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_REGION_PREFIX: Final = re.compile(r"shm-region-prefix-name=(\w+)")
MEMORY: Final = ("client_bytes", "allocated_bytes", "tritonserver_bytes", "models_bytes", "regions_bytes")
COUNTED: Final = ("descriptors", "server_descriptors", "threads", "server_threads", "processes", "client_regions")

_CONFIDENCE: Final = 0.95
_ATTEMPTS: Final = 20  # processes of a starting or stopping server come and go during a count


@dataclass(frozen=True)
class Census:
    """Resources held at one moment.

    Attributes:
        client_bytes: Resident memory of this process, including free memory that the allocator keeps.
        allocated_bytes: Memory allocated and not freed in this process, as counted by glibc's allocator.
        tritonserver_bytes: Resident memory of the server's main process, without shared memory.
        models_bytes: Likewise for the processes of its models, summed.
        regions_bytes: Shared memory of its Python backend, counted once.
        descriptors: Open file descriptors of this process.
        server_descriptors: Open file descriptors of the server.
        threads: Threads of this process.
        server_threads: Threads of the server.
        processes: Descendants of this process.
        client_regions: Regions of clients' shared memory that this process and the server have mapped.
        files: Files under the temporary folder, and the shared memory of Python backends.
    """

    client_bytes: int
    allocated_bytes: int
    tritonserver_bytes: int
    models_bytes: int
    regions_bytes: int
    descriptors: int
    server_descriptors: int
    threads: int
    server_threads: int
    processes: int
    client_regions: int
    files: frozenset[str]

    def left_over_since(self, earlier: Census) -> dict[str, int | list[str]]:
        """The resources that have increased since `earlier`, by name, memory excepted; empty if there are none."""
        more = {name: getattr(self, name) - getattr(earlier, name) for name in COUNTED}
        found: dict[str, int | list[str]] = {name: count for name, count in more.items() if count > 0}
        files = sorted(self.files - earlier.files)
        return {**found, "files": files} if files else found


class Server:
    """A tritonserver started by this process, with the processes of its models; it may have ended.

    Args:
        grpc_port: Port on which it listens.
    """

    def __init__(self, grpc_port: int) -> None:
        port = f"--grpc-port={grpc_port}"
        (self._triton,) = (child for child in psutil.Process().children() if port in child.cmdline())
        (self._region_prefix,) = _REGION_PREFIX.findall(" ".join(self._triton.cmdline()))

    def processes(self) -> list[psutil.Process]:
        """All its processes; empty if it has ended."""
        return [self._triton, *self._triton.children(recursive=True)] if self._triton.is_running() else []

    def regions(self) -> list[Path]:
        """Shared memory regions of its Python backend."""
        return list(Path("/dev/shm").glob(f"{self._region_prefix}*"))


def census(temporary_folder: Path, server: Server | None = None) -> Census:
    """Takes a census.

    Args:
        temporary_folder: Folder for temporary files of this process and the server.
        server: The server, if one was started.

    Raises:
        RuntimeError: Processes start and end too fast to be counted.
    """
    for _ in range(_ATTEMPTS):
        try:
            return _census(temporary_folder, server)
        except (psutil.NoSuchProcess, FileNotFoundError):
            continue
    raise RuntimeError("Processes come and go too fast to be counted: wait until the server is ready, or gone.")


def settled(count: Callable[[], Census], like: Census, timeout_s: float = 10.0) -> Census:
    """Waits up to `timeout_s` for a census without increases since `like`; threads take time to end."""
    deadline_s = time.monotonic() + timeout_s
    while (now := count()).left_over_since(like) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return now


@dataclass(frozen=True)
class Slope:
    """Growth of memory in megabytes (10⁶ bytes) per thousand requests, with the ends of the 95 % interval."""

    mb_per_1000: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mb_per_1000:+.1f} ({self.low:+.1f} to {self.high:+.1f})"


def slope(requests: Sequence[int], memory_bytes: Sequence[int]) -> Slope:
    """Fits the Theil-Sen slope, the median over all pairs of samples, to the second half of the samples.

    The first half is left out because caches and the allocator's pools fill up there.
    """
    half = len(requests) // 2
    thousands = [count / 1e3 for count in requests[half:]]
    megabytes = [size / 1e6 for size in memory_bytes[half:]]
    fit = theilslopes(megabytes, thousands, _CONFIDENCE)
    return Slope(float(fit.slope), float(fit.low_slope), float(fit.high_slope))


def _census(temporary_folder: Path, server: Server | None) -> Census:
    client = psutil.Process()
    processes = [] if server is None else server.processes()
    regions = [] if server is None else server.regions()
    return Census(
        client_bytes=client.memory_info().rss,
        allocated_bytes=_allocated_bytes(),
        tritonserver_bytes=sum(map(_private_bytes, processes[:1])),
        models_bytes=sum(map(_private_bytes, processes[1:])),
        regions_bytes=sum(region.stat().st_blocks * 512 for region in regions),  # POSIX counts blocks of 512 bytes
        descriptors=client.num_fds(),
        server_descriptors=sum(process.num_fds() for process in processes),
        threads=client.num_threads(),
        server_threads=sum(process.num_threads() for process in processes),
        processes=len(client.children(recursive=True)),
        client_regions=sum(map(_client_regions, [client, *processes[:1]])),
        files=frozenset(map(str, [*temporary_folder.rglob("*"), *regions])),
    )


def _client_regions(process: psutil.Process) -> int:
    """Its mappings of regions, whose files have no name any more."""
    return sum("/tuft-client-" in mapping.path for mapping in process.memory_maps())


def _private_bytes(process: psutil.Process) -> int:
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


class _MallocInfo(ctypes.Structure):
    """`struct mallinfo2` of malloc.h."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    )


def _allocated_bytes() -> int:
    """Allocated bytes in all arenas and in separate mappings; 0 if the C library is not glibc."""
    mallinfo2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo2 is None:
        return 0
    mallinfo2.restype = _MallocInfo
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd)
