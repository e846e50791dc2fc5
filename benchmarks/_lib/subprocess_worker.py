"""A contestant in a process of its own: asked by a line, answers with JSON, its memory is nobody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped,unused-ignore]

from _lib.serving import Processes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType


class Worker:
    """The process; it is ready when this has been made.

    Args:
        name: In messages.
        command: Starts a program that calls `answer_lines`.

    Raises:
        RuntimeError: It has ended instead.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self._name = name
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read()
        self.processes = Processes(psutil.Process(self._process.pid))

    def ask(self, question: str) -> dict[str, Any]:
        """Its answer to one line.

        Raises:
            RuntimeError: It has ended instead.
        """
        assert self._process.stdin is not None
        print(question, file=self._process.stdin, flush=True)
        return self._read()

    def close(self) -> None:
        """Lets it end, and waits for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError(f"{self._name} has ended with code {self._process.returncode}: see its own message.")
        answer: dict[str, Any] = json.loads(line)
        return answer


def answer_lines(prepare: Callable[[], Callable[[str], Mapping[str, Any]]]) -> None:
    """The other side: answers each line of the standard input until it ends.

    Args:
        prepare: Makes what answers; whatever it and its libraries print goes to the standard error.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answer = prepare()
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(dict(answer(line.rstrip("\n")))), file=answers, flush=True)
