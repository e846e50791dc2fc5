"""Failures of the command line: exit codes and messages."""

from __future__ import annotations

import contextlib
import io
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.outputs import files

import tuft
from tuft import Client, FakeTransport
from tuft.cli import doctor, main
from tuft.errors import ServerBusyError, TuftError

ERRORS = sorted(
    (kind for kind in vars(tuft.errors).values() if isinstance(kind, type) and issubclass(kind, TuftError)),
    key=lambda kind: kind.__name__,
)


def remove(*arguments: object) -> int:
    return main.main(["remove", "--url", "localhost:8001", "--size", "384", *map(str, arguments)])


def test_one_that_fails_is_one_line_and_the_others_are_done(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    (photos / "text.png").write_text("no picture")
    assert remove(photos, "-o", tmp_path / "out") == 1
    assert files(tmp_path / "out") == ["cats/tom.png", "dog.png"]
    said = capsys.readouterr()
    assert said.out.startswith("2 of 4 photographs")
    lines = said.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"tuft: {photos / 'broken.jpg'} ")
    assert lines[1].startswith(f"tuft: {photos / 'text.png'} ")


def test_a_defect_is_one_line_that_asks_for_a_report(
    server: FakeTransport,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.failures.append(ZeroDivisionError("by\nzero"))
    assert remove(photos / "dog.png", "-o", tmp_path / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "unexpected ZeroDivisionError (by zero)" in line
    assert "TUFT_DEBUG=1" in line
    monkeypatch.setenv("TUFT_DEBUG", "1")
    server.failures.append(ZeroDivisionError())
    assert remove(photos / "dog.png", "-o", tmp_path / "out") == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_busy_server_is_told_once_for_each_photograph(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.failures.extend([ServerBusyError("The queue is full: try again later.")] * 2)
    assert remove(photos, "-o", tmp_path / "out") == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--background", "reddish"], "reddish"),
        (["--background", "missing.jpg"], "missing.jpg"),
        (["--background", "white", "--format", "zip"], "zip"),
        (["--format", "jpeg"], "JPEG"),
        (["--timeout", "-1"], "timeout"),
    ],
)
def test_nonsense_is_found_before_anything_is_sent(
    server: FakeTransport,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    assert remove(photos, "-o", tmp_path / "out", *arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tuft: ")
    assert said in line
    assert not server.requests
    assert not (tmp_path / "out").exists()


def test_a_misspelt_preset_is_corrected(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        remove(photos, "-o", tmp_path / "out", "--preset", "maximun")
    assert capsys.readouterr().err.endswith(
        "argument --preset: There is no preset 'maximun': write maximum, or choose one of "
        "stable, express, standard, high, maximum, auto.\n"
    )


def test_a_collision_is_found_before_anything_is_sent(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "dog.jpg").write_bytes((photos / "dog.png").read_bytes())
    assert remove(photos, "-o", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert str(photos / "dog.jpg") in said
    assert str(photos / "dog.png") in said
    assert not server.requests


def test_a_folder_that_cannot_be_made_is_told(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert remove(photos, "-o", tmp_path / "file" / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written (Not a directory)" in line
    assert not server.requests


def test_nobody_at_the_port_is_one_line_and_soon(
    closed_port: int, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began_s = time.monotonic()
    assert remove(photos, "-o", tmp_path / "out", "--url", f"localhost:{closed_port}") == 1
    assert time.monotonic() - began_s < 30  # long before the deadline
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"tuft: Nothing answers at localhost:{closed_port}: ")
    assert not (tmp_path / "out").exists()


def test_the_doctor_without_a_server(
    closed_port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_tritonserver", lambda: "none")
    assert main.main(["doctor", "--url", f"localhost:{closed_port}"]) == 1
    said = capsys.readouterr()
    assert "Nothing answers" in said.out
    assert not said.err


@given(st.sampled_from(ERRORS), st.text())
@settings(max_examples=50)
def test_any_error_of_ours_is_one_line_and_exit_code_1(kind: type[TuftError], message: str) -> None:
    class Failing(FakeTransport):
        def server_info(self) -> Any:
            raise kind(message)

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(Client, "from_settings", partial(Client.from_settings, transport=Failing()))
        assert main.main(["remove", __file__, "-o", "out", "--url", "localhost:8001"]) == 1
    (line,) = said.getvalue().splitlines()
    assert line == f"tuft: {' '.join(message.split())}"


@given(st.lists(st.sampled_from(ERRORS), min_size=1, max_size=4))
@settings(max_examples=20)
def test_any_error_for_a_photograph_is_one_line_each(scene_photo: Path, kinds: list[type[TuftError]]) -> None:
    names = [scene_photo.with_name(f"{number}.png") for number in range(len(kinds))]
    fake = FakeTransport(failures=[kind("no luck") for kind in kinds])
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        once = tuft.Settings(fallback=False, retries=0)
        patch.setattr(Client, "from_settings", lambda _: Client(settings=once, transport=fake))
        assert remove(*names, "-o", scene_photo.parent / "out", "--refine", "none", "--concurrency", 1) == 1
    assert said.getvalue().splitlines() == [f"tuft: {name}: no luck" for name in names]
    assert not (scene_photo.parent / "out").exists()


@pytest.fixture(scope="module")
def scene_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few")
    for number in range(4):
        Image.new("RGB", (8, 8), "white").save(folder / f"{number}.png")
    return folder / "0.png"
