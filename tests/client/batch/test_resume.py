"""`tuft remove` on a folder, once more: what is done is verified and left, the rest is done."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.outputs import files, mode

import tuft
from tuft import FakeTransport
from tuft.batch import manifest
from tuft.cli import main
from tuft.errors import ServerBusyError, ServerOutOfMemoryError


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def photos(photos: Path, scene: Any) -> Path:
    Image.fromarray(np.roll(scene.rgb, 20, axis=1)).save(photos / "cow.png")
    return photos


def remove(*arguments: object) -> int:
    return main.main(["remove", "--size", "384", "--concurrency", "1", *map(str, arguments)])


def entries(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / manifest.NAME).read_text().splitlines()]


def test_a_second_run_asks_for_nothing(
    server: FakeTransport, photos: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remove(photos, "-o", out) == 0
    before = {name: (out / name).stat().st_mtime_ns for name in files(out)}
    assert len(server.requests) == len(before) == 3
    capsys.readouterr()
    assert remove(photos, "-o", out) == 0
    assert len(server.requests) == 3
    assert {name: (out / name).stat().st_mtime_ns for name in files(out)} == before
    said = f"3 of 3 photographs cut out into {out}, 3 by an earlier run (--again does them anew)\n"
    assert capsys.readouterr().out == said
    assert remove(photos, "-o", out, "--again") == 0
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "options",
    [
        ("--refine", "edges"),
        ("--preset", "stable"),
        ("--background", "white"),
        ("--background", "wall.png"),
        ("--quality", "50"),
    ],
)
def test_other_options_do_all_again(
    server: FakeTransport,
    photos: Path,
    out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (9, 9), "navy").save("wall.png")
    assert remove(photos, "-o", out, "--format", "webp") == 0
    assert remove(photos, "-o", out, "--format", "webp", *options) == 0
    assert len(server.requests) == 6
    assert remove(photos, "-o", out, "--format", "webp", *options) == 0
    assert len(server.requests) == 6
    Image.new("RGB", (9, 9), "olive").save("wall.png")  # another picture of the same name
    assert remove(photos, "-o", out, "--format", "webp", *options) == 0
    assert len(server.requests) == (9 if "wall.png" in options else 6)


def test_a_setting_and_another_version_of_tuft_are_options_too(
    server: FakeTransport, photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remove(photos, "-o", out) == 0
    monkeypatch.setenv("TUFT_PRESET", "stable")
    assert remove(photos, "-o", out) == 0
    assert len(server.requests) == 6
    monkeypatch.setattr(tuft, "__version__", "99")
    assert remove(photos, "-o", out) == 0
    assert len(server.requests) == 9


def test_what_was_changed_damaged_or_lost_is_done_again_and_nothing_else(
    server: FakeTransport, photos: Path, out: Path, scene: Any
) -> None:
    assert remove(photos, "-o", out) == 0
    wanted = {name: (out / name).read_bytes() for name in files(out)}
    Image.fromarray(np.roll(scene.rgb, 5, axis=0)).save(photos / "cow.png")  # changed
    (out / "dog.png").write_bytes(wanted["dog.png"][:-9])  # damaged
    (out / "cats" / "tom.png").unlink()  # lost
    (photos / "new.png").write_bytes((photos / "dog.png").read_bytes())
    assert remove(photos, "-o", out) == 0
    assert len(server.requests) == 3 + 4
    assert (out / "dog.png").read_bytes() == wanted["dog.png"] == (out / "new.png").read_bytes()
    assert (out / "cats" / "tom.png").read_bytes() == wanted["cats/tom.png"]
    assert (out / "cow.png").read_bytes() != wanted["cow.png"]
    assert remove(photos, "-o", out) == 0
    assert len(server.requests) == 7


def test_failures_and_smaller_presets_are_tried_again(
    server: FakeTransport, photos: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["remove", str(photos), "-o", str(out), "--preset", "high", "--refine", "none", "--concurrency", "1"]
    # cats/tom.tiff is served by the smaller preset; for cow.png that is full too.
    answered: Any = None
    server.failures.extend([ServerOutOfMemoryError("no room"), answered, *[ServerBusyError("full")] * 2])
    assert main.main(command) == 1
    assert [entry["outcome"] for entry in entries(out)] == ["done", "ServerBusyError", "done"]
    assert "no room" in entries(out)[0]["fallback_reason"]
    assert "full" in entries(out)[1]["error"]
    capsys.readouterr()
    assert main.main(command) == 0
    assert capsys.readouterr().out.startswith(f"3 of 3 photographs cut out into {out}, 1 by an earlier run")
    assert [Path(entry["target"]).name for entry in entries(out)[3:]] == ["tom.png", "cow.png"]


def test_the_manifest_says_what_was_made_of_what(server: FakeTransport, photos: Path, out: Path) -> None:
    assert remove(photos / "dog.png", "-o", out) == 0
    (entry,) = entries(out)
    assert entry["source"]["path"] == str(photos / "dog.png")
    assert entry["source"]["size_bytes"] == (photos / "dog.png").stat().st_size
    assert (entry["target"], entry["outcome"], entry["model"]) == ("dog.png", "done", "inspyrenet_384")


@pytest.mark.parametrize("left", [0.0, 0.4, 0.9])
def test_a_damaged_manifest_costs_time_and_nothing_else(
    server: FakeTransport, photos: Path, out: Path, left: float
) -> None:
    assert remove(photos, "-o", out) == 0
    wanted = {name: (out / name).read_bytes() for name in files(out)}
    file = out / manifest.NAME
    os.truncate(file, int(file.stat().st_size * left))
    assert remove(photos, "-o", out) == 0
    assert {name: (out / name).read_bytes() for name in files(out)} == wanted
    assert len(server.requests) == 3 + 3 - int(left * 3)
    asked = len(server.requests)
    assert remove(photos, "-o", out) == 0
    assert len(server.requests) == asked


def test_skip_existing_looks_at_the_name_alone(server: FakeTransport, photos: Path, out: Path) -> None:
    out.mkdir()
    (out / "dog.png").write_text("by hand")
    assert remove(photos, "-o", out, "--skip-existing", "--refine", "none") == 0
    assert (out / "dog.png").read_text() == "by hand"
    assert remove(photos, "-o", out, "--skip-existing") == 0  # other options, but all files exist
    assert len(server.requests) == 2
    with pytest.raises(SystemExit):
        remove(photos, "-o", out, "--skip-existing", "--again")


def test_a_report_shows_all(server: FakeTransport, photos: Path, out: Path) -> None:
    assert remove(photos, "-o", out) == 0
    assert remove(photos, "-o", out, "--report") == 0
    assert len(server.requests) == 6


def test_a_single_file_keeps_no_manifest(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert remove(photos / "dog.png", "-o", tmp_path / "cut.webp") == 0
    assert len(server.requests) == 2
    assert not list(tmp_path.rglob(manifest.NAME))
    assert mode(tmp_path / "cut.webp") == "RGBA"


def test_leftovers_of_a_killed_run_are_deleted_once_they_are_old(
    server: FakeTransport, photos: Path, out: Path
) -> None:
    (out / "cats").mkdir(parents=True)
    for name in (".tuft-0a.part", "cats/.tuft-1b.part", "cats/.tuft-2c.part", "mine.part"):
        (out / name).write_bytes(b"half a file")
        os.utime(out / name, (1, 1))
    (out / "cats" / ".tuft-2c.part").touch()  # another process is writing it
    assert remove(photos, "-o", out) == 0
    assert files(out) == ["cats/.tuft-2c.part", "cats/tom.png", "cow.png", "dog.png", "mine.part"]
