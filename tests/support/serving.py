"""Runs `tuft serve` as a separate program, reads its output, and makes models that act when they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from support.calling import Caller
from support.tiny import misbehaving_model
from tuft.serve import ServeOptions
from tuft.serve.command import free_addresses

SERVE = """
import sys
from pathlib import Path
from tuft.serve import ServeOptions, serve
ports = map(int, sys.argv[2:])
sys.exit(serve(ServeOptions(Path(sys.argv[1]), None, None, "127.0.0.1", *ports)))
"""


@contextmanager
def serving(options: ServeOptions) -> Iterator[tuple[subprocess.Popen[str], Caller]]:
    """Runs `serve` in a separate program, like the command line, on free ports."""
    addresses = free_addresses(options)
    ports = [addresses.http_port, addresses.grpc_port, addresses.metrics_port]
    program = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(options.repository), *map(str, ports)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        try:
            announcement(program)
            yield program, Caller(addresses.grpc)
        finally:
            program.kill()


def announcement(program: subprocess.Popen[str]) -> list[str]:
    """The lines that the program prints until it is ready."""
    lines = [""]
    while "Ctrl-C" not in lines[-1]:
        lines.append(next_line(program))
    return lines[1:]


def next_line(program: subprocess.Popen[str]) -> str:
    """The next line of the program."""
    assert program.stdout is not None
    line = program.stdout.readline()
    assert line, "it ended"
    return line.strip()


def model_processes(program: subprocess.Popen[str]) -> list[psutil.Process]:
    """The models that are loaded or being loaded, in order."""
    (server,) = psutil.Process(program.pid).children()
    return sorted(server.children(), key=psutil.Process.create_time)


def loading_model(behave: str) -> str:
    """Source of a model.py that runs the line `behave` when it is loaded."""
    initialize = f"    def initialize(self, args):\n        import os\n        {behave}\n\n"
    return misbehaving_model("pass").replace("    def execute", f"{initialize}    def execute")
