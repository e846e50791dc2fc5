"""System shared memory between this process and a server on the same machine: regions that tensors are passed in.

A region is a file of `/dev/shm` that both have mapped. Its name is removed as soon as the server has mapped it, so no
end of this process leaves a file behind. What a killed process has left registered on the server is found by the name,
which says whose it is, and unregistered by the next client.

A server goes on with a request that was abandoned, and may unmap what it still works on (Triton 24.10 crashes then).
So a region is neither used again nor unregistered until no such work can be left.
"""

from __future__ import annotations

import logging
import mmap
import os
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from tuft.errors import ServerError, ServerTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FOLDER: Final = Path("/dev/shm")
# More requests at once than these are sent as messages.
MOST_REGIONS: Final = 8
# After this time no server works on an abandoned request.
ABANDONED_S: Final = 600.0

_LOGGER: Final = logging.getLogger("tuft.transport")
_NAME: Final = re.compile(r"tuft-client-(?P<owner>\d+-(?P<pid>\d+)-\d+)-[0-9a-f]{16}")


class Registry(Protocol):
    """The server's list of regions; its methods raise ServerError with the server's own words for a refusal."""

    def register(self, name: str, nbytes: int) -> None:
        """Makes the server map the region of that name."""

    def unregister(self, name: str) -> None:
        """Makes the server unmap it."""

    def registered(self) -> Iterable[str]:
        """Names of the regions that it has mapped, those of others included."""


@dataclass(eq=False)
class Region:
    """Memory that the server has mapped, too.

    Attributes:
        name: Its name on the server.
        memory: Its bytes.
        abandoned_s: When a request that used it was abandoned, on the pool's clock.
    """

    name: str
    memory: mmap.mmap = field(repr=False)
    abandoned_s: float = 0.0


class Regions:
    """The regions of one connection, used again and again; usable from many threads at once.

    Args:
        server: Address of the server, for the log.
        registry: Its list of regions.
        clock: Monotonic seconds.
    """

    def __init__(self, server: str, registry: Registry, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._server, self._registry, self._clock = server, registry, clock
        self._idle: list[Region] = []
        self._abandoned: list[Region] = []
        self._count = 0  # of all regions, those in use included
        self._left_by_others: dict[str, float] = {}  # from names to when they were found
        self._refused = False
        self._closed = False
        self._lock = threading.Lock()

    def take(self, nbytes: int) -> Region | None:
        """A region of at least `nbytes`, for one request; None if there is none, and the request is sent as a message.

        Each region is handed on to one of `give_back`, `abandon` and `lose`.
        """
        with self._lock:
            if self._refused or self._closed:
                return None
            for region in self._idle:
                if len(region.memory) >= nbytes:
                    self._idle.remove(region)
                    return region
            outgrown = [self._idle.pop()] if self._idle and self._count >= MOST_REGIONS else []
            outgrown += self._expired()
            if self._count - len(outgrown) >= MOST_REGIONS:
                return None
            self._count += 1 - len(outgrown)
        return self._made(nbytes, outgrown)

    def give_back(self, region: Region) -> None:
        """Ends the use of a region by a request that was answered."""
        with self._lock:
            if not self._closed:
                self._idle.append(region)
                return
        self._unregister([region.name])

    def abandon(self, region: Region) -> None:
        """Ends the use of a region by a request whose answer is not waited for."""
        with self._lock:
            region.abandoned_s = self._clock()
            self._abandoned.append(region)

    def lose(self, region: Region) -> None:
        """Forgets a region that the server does not know, and all idle ones: it has been started anew."""
        with self._lock:
            self._count -= 1 + len(self._idle)
            self._idle.clear()
            _LOGGER.debug("%s does not know %s any more", self._server, region.name)

    def close(self) -> None:
        """Unregisters the regions. Those in use follow when they are given back; abandoned ones stay registered."""
        with self._lock:
            self._closed = True
            names = [region.name for region in (*self._idle, *self._expired())]
            self._idle.clear()
        self._unregister(names)

    def _made(self, nbytes: int, outgrown: Iterable[Region]) -> Region | None:
        """A new region; None, which is logged once, if server or system refuse it."""
        reason = ""
        try:
            self._unregister(region.name for region in outgrown)
            self._reap()
            return _made(nbytes, self._registry)
        except ServerError as failure:
            if not (failure.transient or isinstance(failure, ServerTimeoutError)):  # else the request finds out
                reason = str(failure)
        except OSError as failure:
            reason = f"{FOLDER} has no room for {nbytes / 1e6:.0f} MB ({failure.strerror})."
        self._do_without(reason)
        return None

    def _do_without(self, reason: str) -> None:
        """Counts a region less; with a reason, makes no more of them."""
        with self._lock:
            self._count -= 1
            known, self._refused = self._refused, self._refused or bool(reason)
        if reason and not known:
            _LOGGER.warning("Pictures are sent to %s without shared memory: %s", self._server, reason)

    def _expired(self) -> list[Region]:
        """Takes out the regions whose abandoned requests have ended."""
        until_s = self._clock() - ABANDONED_S
        expired = [region for region in self._abandoned if region.abandoned_s <= until_s]
        self._abandoned = [region for region in self._abandoned if region not in expired]
        return expired

    def _reap(self) -> None:
        """Unregisters what killed processes have left, once it has been found so for long enough."""
        now_s = self._clock()
        found = {name for name in self._registry.registered() if _is_left_over(name)}
        self._left_by_others = {name: self._left_by_others.get(name, now_s) for name in found}
        self._unregister(name for name, since_s in self._left_by_others.items() if now_s - since_s >= ABANDONED_S)

    def _unregister(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                self._registry.unregister(name)
            except ServerError as failure:  # it has gone, and its memory with it
                _LOGGER.debug("%s could not be unregistered: %s", name, failure)


def _made(nbytes: int, registry: Registry) -> Region:
    """A region that the server has mapped, and that has no name in the file system any more.

    Raises:
        OSError: There is no room, or no such file system.
        ServerError: The server does not map it.
    """
    name = f"tuft-client-{_owner(os.getpid())}-{secrets.token_hex(8)}"
    path = FOLDER / name
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, nbytes)  # else a full file system would be a SIGBUS later
        memory = mmap.mmap(descriptor, nbytes)
        registry.register(name, nbytes)
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)
    return Region(name, memory)


def _owner(pid: int) -> str:
    """What tells a process from all others of this machine: PID namespace, number, and when it started.

    Raises:
        OSError: There is no such process.
    """
    started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{Path('/proc/self/ns/pid').stat().st_ino}-{pid}-{started}"


def _is_left_over(name: str) -> bool:
    """Whether a region is of a process that has ended; those of other PID namespaces are not judged."""
    match = _NAME.fullmatch(name)
    if match is None or not match["owner"].startswith(f"{Path('/proc/self/ns/pid').stat().st_ino}-"):
        return False
    try:
        return _owner(int(match["pid"])) != match["owner"]
    except OSError:
        return True
