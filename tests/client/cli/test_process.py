"""The command line as a process of its own: signals, pipes and encodings."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support.outputs import files, mode

import tuft

if TYPE_CHECKING:
    from collections.abc import Callable


SCRIPT = """
import functools, os, signal, sys, time
os.environ["TUFT_URL"] = "localhost:8001"  # otherwise the command line looks for a server
sys.path.insert(0, {root!r})
from tuft import Client, FakeTransport
from tuft.cli.main import main
from tuft.inference.transport.fake import centred_disk

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with SIGINT ignored

def saliency(image):
    time.sleep({delay_s})
    return centred_disk(image)

Client.from_settings = functools.partial(Client.from_settings, transport=FakeTransport(saliency))
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    """Starts the command line in a process of its own, with a fake server that takes `delay_s` for each request."""

    def started(*arguments: object, delay_s: float = 0.0, **options: Any) -> subprocess.Popen[str]:
        script = textwrap.dedent(SCRIPT).format(root=str(Path(tuft.__file__).parents[1]), delay_s=delay_s)
        command = [sys.executable, "-c", script, *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        return subprocess.Popen(command, **pipes)

    return started


def test_an_interruption_ends_cleanly(
    start: Callable[..., subprocess.Popen[str]], photos: Path, tmp_path: Path
) -> None:
    for number in range(150):
        (photos / f"{number}.png").write_bytes((photos / "dog.png").read_bytes())
    out = tmp_path / "out"
    process = start("remove", photos, "-o", out, "--size", 384, "--refine", "none", delay_s=0.2)
    deadline_s = time.monotonic() + 60
    while not (out.is_dir() and files(out)):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines() == ["tuft: interrupted."]
    left = files(out)
    assert len(left) < 150
    for name in left:
        assert Path(name).suffix == ".png"
        assert mode(out / name) == "RGBA"


def contents(folder: Path) -> dict[str, bytes]:
    """The cut-outs, without the partial files of a killed run."""
    return {name: (folder / name).read_bytes() for name in files(folder) if not name.endswith(".part")}


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_files(
    start: Callable[..., subprocess.Popen[str]], photos: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    for number in range(40):
        grain = rng.integers(0, 256, (60, 80, 3), np.uint8)
        Image.fromarray(grain).save(photos / f"{number}.png")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = ("remove", photos, "--size", 384, "--refine", "edges", "-o")
    uninterrupted = start(*command, whole)
    for times in range(1, 6):
        process = start(*command, killed, delay_s=0.01)
        deadline_s = time.monotonic() + 60
        while process.poll() is None and len(contents(killed)) < 7 * times:  # further than the run before
            assert time.monotonic() < deadline_s
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.communicate(timeout=60)
    assert uninterrupted.wait(60) == 0
    uninterrupted.communicate()
    assert set(contents(killed).items()) <= set(contents(whole).items())  # no partial file has the name of a cut-out
    last = start(*command, killed)
    said, complained = last.communicate(timeout=60)
    assert last.returncode == 0, complained
    assert contents(killed) == contents(whole)
    earlier = re.search(r"42 of 42 photographs .*, (\d+) by an earlier run", said)
    assert earlier is not None
    assert int(earlier[1]) >= 28  # the work of the killed runs counts


@pytest.mark.parametrize("command", [("presets",), ("remove", "PHOTOS", "-o", "OUT", "--size", 384)])
def test_a_closed_pipe_is_silent(
    start: Callable[..., subprocess.Popen[str]], photos: Path, tmp_path: Path, command: tuple[object, ...]
) -> None:
    places = {"PHOTOS": photos, "OUT": tmp_path / "out"}
    read, write = os.pipe()
    os.close(read)
    process = start(*(places.get(str(part), part) for part in command), stdout=write)
    os.close(write)
    _, said = process.communicate(timeout=60)
    assert said == ""
    assert process.returncode == 141


def test_the_module_runs_as_a_program() -> None:
    root = Path(tuft.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "tuft", "--version"], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout == f"tuft {tuft.__version__}\n"


def test_a_name_that_the_terminal_cannot_show_is_escaped(
    start: Callable[..., subprocess.Popen[str]], photos: Path, tmp_path: Path
) -> None:
    (photos / "\udcff.png").write_bytes(b"no picture")  # a byte that is not valid UTF-8
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    out = tmp_path / "Größe"
    process = start("remove", photos, "-o", out, "--size", 384, "--refine", "none", env=environment)
    told, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert r"Gr\xf6\xdfe" in told
    (line,) = said.splitlines()
    assert r"\udcff.png" in line
    assert files(out) == ["cats/tom.png", "dog.png"]
