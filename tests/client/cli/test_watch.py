"""`tuft remove --watch` as a process: what arrives is cut out, once it is complete, until a signal comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support.outputs import files, mode

import tuft
from tuft import FakeTransport
from tuft.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPT = """
import functools, signal, sys
from tuft import Client, FakeTransport
from tuft.cli import _watch
from tuft.cli.main import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with SIGINT ignored
_watch.INTERVAL_S = 0.2
Client.from_settings = functools.partial(Client.from_settings, transport=FakeTransport())
sys.exit(main(["remove", "--url", "localhost:8001", "--watch", "--size", "384", "--refine", "none", *sys.argv[1:]]))
"""


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(Path(tuft.__file__).parents[1])}
        process = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "Watching; Ctrl-C ends it.\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def wait_until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_arrives_is_cut_out_until_a_signal_comes(
    start: Callable[..., subprocess.Popen[str]], photos: Path, tmp_path: Path, scene: Any, number: int
) -> None:
    out = tmp_path / "out"
    process = start(photos, "-o", out)
    wait_until(lambda: files(out) == ["cats/tom.png", "dog.png"])
    (photos / "new").mkdir()
    Image.fromarray(scene.rgb).save(tmp_path / "cow.png")
    (tmp_path / "cow.png").replace(photos / "new" / "cow.png")
    (photos / "broken.png").write_bytes(b"no picture")
    wait_until(lambda: "new/cow.png" in files(out))
    Image.fromarray(np.roll(scene.rgb, 9, axis=1)).save(tmp_path / "mended.png")
    (tmp_path / "mended.png").replace(photos / "broken.png")  # complete at once, whatever else the machine does
    wait_until(lambda: "broken.png" in files(out))
    process.send_signal(number)
    told, said = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = told.splitlines()
    assert lines[-1] == "4 photographs cut out"
    assert f"{photos / 'new' / 'cow.png'} -> {out / 'new' / 'cow.png'}" in lines
    (line,) = said.splitlines()
    assert "broken.png" in line
    for name in files(out):
        assert mode(out / name) == "RGBA"


def test_what_exists_may_be_skipped(start: Callable[..., subprocess.Popen[str]], photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "dog.png").write_text("by hand")
    process = start(photos, "-o", out, "--skip-existing")
    wait_until(lambda: files(out) == ["cats/tom.png", "dog.png"])
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0].splitlines()[-1] == "1 photograph cut out"
    assert (out / "dog.png").read_text() == "by hand"


def test_in_the_same_folder_cut_outs_are_not_photographs_and_collisions_do_not_end_it(
    start: Callable[..., subprocess.Popen[str]], photos: Path, tmp_path: Path, scene: Any
) -> None:
    process = start(photos)
    wait_until(lambda: "cats/tom-cutout.png" in files(photos) and "dog-cutout.png" in files(photos))
    for name in ("dog.jpg", "zebra.jpg"):  # the first would become dog-cutout.png too
        Image.fromarray(scene.rgb).save(tmp_path / name)
        (tmp_path / name).replace(photos / name)
    wait_until(lambda: "zebra-cutout.png" in files(photos))
    time.sleep(1)  # five more looks
    process.send_signal(signal.SIGTERM)
    told, said = process.communicate(timeout=60)
    assert told.splitlines()[-1] == "3 photographs cut out"
    assert len([name for name in files(photos) if "cutout" in name]) == 3
    (line,) = said.splitlines()
    assert "would both become" in line


@pytest.mark.parametrize(
    "arguments", [("dog.png", "-o", "out"), ("-", "-o", "out"), (".", "-o", "out", "--report"), (".", "-")]
)
def test_what_cannot_be_watched_is_told(
    server: FakeTransport,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.chdir(photos)
    assert main.main(["remove", "--watch", *arguments]) == 1
    assert "watch" in capsys.readouterr().err
    assert not server.requests
