"""The server under test, started for the benchmark or already running, and the memory of its processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from _lib.machine import resident_bytes
from tuft.serve import ServeOptions, running_server
from tuft.serve.proc import children

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

_PUBLISH: Final = Path(__file__).parents[1] / "publish.py"
DEFAULT_WORK: Final = Path("out/benchmarks")
_RESET_PEAK: Final = "5"  # proc_pid_clear_refs(5)


@contextlib.contextmanager
def serving(url: str | None, repository: Path, sizes: tuple[int, ...] | None = None) -> Iterator[str]:
    """Yields the gRPC address of a server: `url`, or that of a server that runs for the duration of the block.

    Args:
        url: gRPC address of a running server; None starts one.
        repository: Model repository of the server that is started.
        sizes: Working sizes in pixels that it loads; None loads everything published.
    """
    if url:
        yield url
        return
    options = ServeOptions(repository, sizes=sizes, http_port=0, grpc_port=0, metrics_port=0)
    with running_server(options) as addresses:
        yield addresses.grpc


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments for the server to measure, the photographs to use, and the output file."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", help="gRPC address of a running server")
    where.add_argument("--serve", action="store_true", help="start one (default)")
    parser.add_argument("--repository", type=Path, help="what is served (default: --weights, published for it)")
    parser.add_argument("--weights", choices=("demo", "published"), default="demo", help="published: random ones")
    parser.add_argument("--parameter", action="append", default=[], help="of configs/python.pbtxt, as NAME=VALUE")
    parser.add_argument("--photos", type=Path, help="a folder (default: 12 megapixels made from a sample)")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="keeps exported graphs")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")


def require_consistent(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Exits with a message if arguments from `add_arguments` exclude each other."""
    if options.url and (options.repository or options.parameter):
        parser.error("--repository and --parameter are for a server that is started here: leave out --url.")
    if options.repository and options.parameter:
        parser.error("The repository has parameters of its own: leave out --parameter, or --repository.")


def repository_to_serve(options: argparse.Namespace, sizes: Sequence[int]) -> Path:
    """The repository from the arguments, or one that `publish.py` makes in its own process, which keeps torch there."""
    if options.url or options.repository:
        return options.repository or Path()
    command = [sys.executable, str(_PUBLISH), str(options.work)]
    command += ["--weights", options.weights, "--sizes", *map(str, sizes)]
    command += [f"--parameter={parameter}" for parameter in options.parameter]
    finished = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if finished.returncode:
        raise SystemExit(finished.returncode)  # its own message is on the standard error
    return Path(finished.stdout.strip())


@dataclass(frozen=True)
class Processes:
    """A process and its descendants.

    Sums over them are upper bounds: shared memory counts in each process, and peaks need not coincide.
    """

    pid: int

    def peak_bytes(self) -> int:
        """Sum of the peak resident memory of each process."""
        return sum(resident_bytes("VmHWM", pid) for pid in self._all())

    def resident_bytes(self) -> int:
        """Sum of their current resident memory."""
        return sum(resident_bytes("VmRSS", pid) for pid in self._all())

    def reset_peak_memory(self) -> None:
        """Restarts the measurement of peaks, where the kernel allows it."""
        for pid in self._all():
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)

    def _all(self) -> list[int]:
        found = [self.pid]
        for pid in found:  # grows
            found += children(pid)
        return found


def this_process() -> Processes:
    """This process alone, without a server that it has started."""
    return _Alone(os.getpid())


def server_of(url: str) -> Processes | None:
    """The server at `url`, if this process has started it; None otherwise."""
    port = f"--grpc-port={url.rpartition(':')[2]}"
    started = (pid for pid in children(os.getpid()) if port in _command_line(pid))
    return next((Processes(pid) for pid in started), None)


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:  # it has ended
        return []


class _Alone(Processes):
    def _all(self) -> list[int]:
        return [self.pid]
