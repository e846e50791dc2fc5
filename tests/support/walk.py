"""The commands of the documentation, run as a reader runs them: the wheel in a fresh environment, in a fresh folder."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from support.server import empty_repository
from tuft.serve.command import free_addresses
from tuft.serve.options import ServeOptions, ServerAddresses

ROOT = Path(__file__).parents[2]
READY_TIMEOUT_S = 120


def installed_wheel(folder: Path) -> Path:
    """A virtual environment with the wheel of this checkout; the other packages are those of the running interpreter.

    Returns:
        Its folder of programs.
    """
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder / "dist", ROOT], check=True)
    (wheel,) = (folder / "dist").glob("tuft_matting-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    shared = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "shared.pth").write_text("".join(f"{path}\n" for path in shared))
    where = subprocess.run([python, "-c", "import tuft; print(tuft.__file__)"], check=True, capture_output=True)
    assert Path(where.stdout.decode()).is_relative_to(packages), "a reader has no checkout on the path"
    return python.parent


def as_in_a_clone(folder: Path) -> None:
    """What the commands name: the model repository without models, and the deployment files."""
    empty_repository(folder)
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    shutil.copytree(ROOT / "client" / "tuft", folder / "client" / "tuft")


@dataclass
class Walk:
    """The reader's terminals: one that follows the pages, and others for what runs until it is stopped.

    Attributes:
        folder: The working directory.
        programs: The folder of the installed programs.
        addresses: The ports that the server listens on, instead of the default ones: other tests may be using those.
        gateway: Address of the gateway, for the same reason.
    """

    folder: Path
    programs: Path
    addresses: ServerAddresses = field(init=False)
    gateway: str = field(init=False)
    _environment: dict[str, str] = field(init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _running: list[tuple[str, subprocess.Popen[str], IO[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.addresses = free_addresses(ServeOptions(self.folder, http_port=0, grpc_port=0, metrics_port=0))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.gateway = f"127.0.0.1:{listener.getsockname()[1]}"
        self.new_terminal()

    def new_terminal(self) -> None:
        """Forgets variables of the page before."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TUFT_", "PYTHON"))}
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        # The user's own caches and settings would hide what is missing.
        own = {"HOME": str(self.folder / "home"), "TUFT_CACHE": str(self.folder / "home" / "cache")}
        self._environment = {**inherited, **own, "PATH": path, "TUFT_URL": self.addresses.grpc}

    def shell(self, text: str) -> str:
        """Runs a block to its end; later blocks see the variables that it exports. Returns what it printed."""
        variables = self.folder / "home" / "variables"
        variables.parent.mkdir(exist_ok=True)
        text = text.replace("127.0.0.1:8080", self.gateway)
        done = self._finished(["bash", "-euo", "pipefail", "-c", f"{text}\nenv -0 >'{variables}'"], text)
        self._environment = dict(line.split("=", 1) for line in variables.read_text().split("\0") if line)
        return done

    def python(self, text: str) -> None:
        """Runs a program to its end."""
        self._finished([str(self.programs / "python"), "-c", self._on_free_ports(text)], text)

    def start(self, text: str) -> None:
        """Starts a block that runs until it is stopped, and waits until it says that it is ready.

        A server takes the place of the one before, and a gateway that of the one before.
        """
        if "tuft serve" in text:
            self.stop()
        elif "tuft gateway" in text:
            self.stop("tuft gateway")
        log = (self.folder / "home" / f"{next(self._numbers)}.log").open("w+", encoding="utf-8")
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", f"exec {self._on_free_ports(text)}"],
            cwd=self.folder,
            env=self._environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._running.append((text, process, log))
        until_s = time.monotonic() + READY_TIMEOUT_S
        while not _is_ready(text, _said(log)):
            assert process.poll() is None, f"{text}\nhas ended:\n{_said(log)}"
            assert time.monotonic() < until_s, f"{text}\nis not ready:\n{_said(log)}"
            time.sleep(0.1)

    def stop(self, what: str = "") -> None:
        """Ctrl-C in every terminal where `what` runs, as the reader does at the end."""
        for text, process, log in reversed([one for one in self._running if what in one[0]]):
            process.send_signal(signal.SIGINT)
            process.wait(60)
            assert "Traceback" not in _said(log), f"{text}\n{_said(log)}"
            log.close()
        self._running = [one for one in self._running if what not in one[0]]

    def _on_free_ports(self, text: str) -> str:
        ports = {name: getattr(self.addresses, f"{name}_port") for name in ("http", "grpc", "metrics")}
        flags = " ".join(f"--{name}-port={port}" for name, port in ports.items())
        text = text.replace("tuft serve", f"tuft serve {flags}")
        text = text.replace("tuft gateway", f"tuft gateway --port={self.gateway.rpartition(':')[2]}")
        return text.replace("localhost:8001", self.addresses.grpc)

    def _finished(self, command: list[str], text: str) -> str:
        began_s = time.monotonic()
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, text=True, capture_output=True, check=False
        )
        print(f"{time.monotonic() - began_s:5.1f} s: {text}")
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, f"{text}\n{done.stderr}"
        return done.stdout


def _said(log: IO[str]) -> str:
    log.seek(0)
    return log.read()


def _is_ready(text: str, said: str) -> bool:
    """A server says where it serves; anything else, such as a watch, what it has found at its start."""
    return "Serving " in said if "tuft serve" in text or "tuft gateway" in text else bool(said)
