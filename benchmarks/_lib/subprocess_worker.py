"""Measurements in processes of their own, so that each has its own memory: started once per answer, or kept running.

The modules that run there belong to benchmarks/ and are started by name (`python -m`); the folder is on their path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from _lib.serving import Processes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

_BENCHMARKS: Final = Path(__file__).parents[1]


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of benchmarks/ with this interpreter; it needs `subprocess_environment`."""
    return [sys.executable, "-m", module, *arguments]


def subprocess_environment(*first: Path) -> dict[str, str]:
    """The environment of this process, with `first` and benchmarks/ on the path of Python."""
    paths = [*map(str, first), str(_BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def run_subprocess(module: str, kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Runs `python -m MODULE KIND JSON` and returns the JSON object on the last line that it prints.

    Args:
        module: Of benchmarks/, such as `_lib.cost_worker`.
        kind: The kind of measurement.
        options: Its arguments.

    Raises:
        SystemExit: The process has failed; its own message is on the standard error.
    """
    command = module_command(module, kind, json.dumps(options))
    environment = {**subprocess_environment(), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    if done.returncode:
        raise SystemExit(
            f"{kind} {json.dumps(options)} failed ({done.returncode}): see above, or leave that point out."
        )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


class Worker:
    """A process that answers each line it is sent with a JSON object; ready once the constructor returns.

    Args:
        name: Used in messages.
        command: Starts a program that calls `answer_lines`.
        first: Folders to put first on the path of Python.

    Raises:
        RuntimeError: The process has ended instead.
    """

    def __init__(self, name: str, command: Sequence[str], *first: Path) -> None:
        self._name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=subprocess_environment(*first)
        )
        self._read()
        self.processes = Processes(self._process.pid)

    def ask(self, question: str) -> dict[str, Any]:
        """Sends one line and returns the answer.

        Raises:
            RuntimeError: The process has ended instead.
        """
        assert self._process.stdin is not None
        print(question, file=self._process.stdin, flush=True)
        return self._read()

    def close(self) -> None:
        """Closes the standard input of the process and waits for it to end."""
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
    """The worker's side: answers each line of the standard input until the input ends.

    Args:
        prepare: Returns the function that answers. Everything that it and its libraries print goes to the standard
            error, so that the answers stay parseable.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answer = prepare()
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(dict(answer(line.rstrip("\n")))), file=answers, flush=True)
