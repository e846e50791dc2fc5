"""Is every real picture read and cut out?

    python benchmarks/robustness.py [--no-network | --url URL] [--every-file] [--sandbox] [--json FILE] DIR...

Each file below the folders that has the suffix of a picture goes through decoding and through `Client.remove`, with the
server at URL or, by default, with a fake network that takes the middle of each picture for the subject. Each refusal is
one line: its class, the file, the message. The summary counts outcomes by the suffix of the file, as JSON. The exit
status is 1 if anything but a typed error was raised.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from _lib.machine import machine

from tuft import Client, FakeTransport, Settings
from tuft.batch.inputs import SUFFIXES
from tuft.concurrency import bounded_map
from tuft.errors import NoSubjectError, TuftError
from tuft.imaging import IsolatedDecoder, load_photo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

READ: Final = "read"
CUT_OUT: Final = "cut out"
NO_SUBJECT: Final = "no subject"


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        file: The file.
        end: `READ`, `CUT_OUT`, `NO_SUBJECT`, or the name of an exception.
        message: What the exception says.
        is_typed: False if it was none of tuft's errors: a defect.
        seconds: Wall-clock time.
    """

    file: Path
    end: str
    message: str = ""
    is_typed: bool = True
    seconds: float = 0.0

    @property
    def is_refusal(self) -> bool:
        """Whether there is no result although the network was not the reason."""
        return self.end not in (READ, CUT_OUT, NO_SUBJECT)

    @property
    def line(self) -> str:
        """The refusal in one line, which names the file."""
        named = self.message if str(self.file) in self.message else f"{self.file}: {self.message}"
        return f"{self.end}: {named}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints refusals and the summary; returns the exit status."""
    options = _parser().parse_args(arguments)
    files = sorted({file for folder in options.folders for file in pictures(folder, every_file=options.every_file)})
    outcomes = list(run(files, partial(_worker, options), concurrency=options.concurrency))
    data = {"machine": machine(), "folders": [str(folder) for folder in options.folders], **summary(outcomes)}
    print(json.dumps(data, indent=1))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")
    return 0 if all(outcome.is_typed for outcome in outcomes) else 1


def pictures(folder: Path, *, every_file: bool = False) -> Iterator[Path]:
    """The files below `folder`, or it itself if it is one; only those with the suffix of a picture, unless all."""
    for path in [folder] if folder.is_file() else folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and (every_file or path.suffix.lower() in SUFFIXES):
            yield path


def run(files: Sequence[Path], make: Callable[[], Callable[[Path], str]], *, concurrency: int) -> Iterator[Outcome]:
    """The outcome of each file, in order; prints refusals as they come."""
    work = make()

    def one(file: Path) -> Outcome:
        began_s = time.perf_counter()
        try:
            end, message, is_typed = work(file), "", True
        except NoSubjectError as error:
            end, message, is_typed = NO_SUBJECT, str(error), True
        except Exception as error:
            end, message, is_typed = type(error).__name__, " ".join(str(error).split()), isinstance(error, TuftError)
        return Outcome(file, end, message, is_typed, time.perf_counter() - began_s)

    for result in bounded_map(files, one, concurrency=concurrency):
        assert result.value is not None
        if result.value.is_refusal:
            print(result.value.line, file=sys.stderr, flush=True)
        yield result.value


def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Counts of files by outcome, and by suffix and outcome; and the slowest file."""
    by_suffix: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        by_suffix[outcome.file.suffix.lower()][outcome.end] += 1
    slowest = max(outcomes, key=lambda outcome: outcome.seconds, default=None)
    return {
        "files": len(outcomes),
        "refused": sum(outcome.is_refusal for outcome in outcomes),
        "defects": sum(not outcome.is_typed for outcome in outcomes),
        "outcomes": dict(Counter(outcome.end for outcome in outcomes)),
        "by suffix": {suffix: dict(by_suffix[suffix]) for suffix in sorted(by_suffix)},
        "slowest": None if slowest is None else {"file": str(slowest.file), "seconds": round(slowest.seconds, 2)},
    }


def _worker(options: argparse.Namespace) -> Callable[[Path], str]:
    if options.no_network:
        decode = IsolatedDecoder(workers=options.concurrency) if options.sandbox else load_photo

        def read(file: Path) -> str:
            decode(file)
            return READ

        return read
    settings = Settings(isolate_decoding=options.sandbox, url=options.url or "localhost:8001")
    client = Client(settings=settings, transport=None if options.url else FakeTransport())

    def cut_out(file: Path) -> str:
        client.remove(file)
        return CUT_OUT

    return cut_out


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--no-network", action="store_true", help="decode only")
    network.add_argument("--url", help="a real network, served there")
    parser.add_argument("--every-file", action="store_true", help="files of any suffix")
    parser.add_argument("--sandbox", action="store_true", help="decode in separate processes")
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--json", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
