"""Which rollout may change the versions of one model on one server: the latest that was started, whatever its folder.

A machine that runs rollouts keeps one small file for each model and server, with the state folder of the latest one.
Whether that rollout is still running is read from its plan, so that a crash leaves no lock behind.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tuft.errors import OptionError, OutputError
from tuft.files import cache_folder, make_folder
from tuft.inference.transport.address import grpc_target_from_url
from tuft.operations.rollout.state import Plan, read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from tuft.operations.rollout.state import Phase


@contextmanager
def claimed(url: str, model: str, folder: Path) -> Iterator[None]:
    """Makes the rollout whose plan is written inside the `with` block the one that may change `model` on a server.

    Args:
        url: The server's gRPC address.
        model: Name of the model.
        folder: The state folder of the rollout.

    Raises:
        OptionError: A rollout with another state folder is running.
        OutputError: The file cannot be written.
    """
    with _locked(url, model) as file:
        if other := _other(file, url, model, folder, ("running",)):
            raise OptionError(
                f"A rollout of {model} to version {other.plan.new} is running on {url} with --state {other.folder}: "
                "finish or abort that one first."
            )
        yield
        file.truncate(0)
        file.write(str(folder.resolve()))


def require_latest(plan: Plan, folder: Path) -> None:
    """Checks that no other rollout has changed the versions since.

    Args:
        plan: The plan that is to be aborted.
        folder: Its state folder.

    Raises:
        OptionError: A rollout with another state folder is running, or has finished, since.
        OutputError: The file cannot be read.
    """
    with _locked(plan.url, plan.model) as file:
        if other := _other(file, plan.url, plan.model, folder, ("running", "finished")):
            raise OptionError(
                f"A later rollout of {plan.model} to version {other.plan.new} is {other.plan.phase} on {plan.url} "
                f"with --state {other.folder}: abort that one; nothing was changed."
            )


class _Other(NamedTuple):
    """A rollout with another state folder."""

    folder: Path
    plan: Plan


def _other(file: IO[str], url: str, model: str, folder: Path, phases: tuple[Phase, ...]) -> _Other | None:
    """The rollout that a file names, if its folder is another one and it is in one of these phases."""
    text = file.read()
    if not text or Path(text) == folder.resolve():
        return None
    try:
        plan = read_plan(Path(text))
    except OptionError:  # its folder is damaged, or not readable for this user: the server shows what it has loaded
        return None
    if plan is None or plan.phase not in phases or (plan.model, _address(plan.url)) != (model, _address(url)):
        return None
    return _Other(Path(text), plan)


@contextmanager
def _locked(url: str, model: str) -> Iterator[IO[str]]:
    import fcntl  # missing on Windows, where only clients are supported

    name = hashlib.sha256(f"{_address(url)} {model}".encode()).hexdigest()[:32]
    path = cache_folder() / "rollouts" / name
    make_folder(path.parent)
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as exc:
        raise OutputError(f"{path} cannot be used ({exc.strerror}): set TUFT_CACHE to a folder of your own.") from exc
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield file


def _address(url: str) -> str:
    """One text for all ways to write a server's address, as far as this machine can tell."""
    target, _ = grpc_target_from_url(url)
    host, _, port = target.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError:  # not resolved here, perhaps by a proxy
        return target.lower()
    addresses = sorted(str(info[4][0]) for info in found)
    loopback = any(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses)
    return f"{'loopback' if loopback else addresses[0]}:{port}"
