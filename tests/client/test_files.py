"""Files that are replaced as a whole or appended to, and the folders of configuration and cache."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tuft.errors import OutputError
from tuft.files import append_lines, cache_folder, config_folder, write_atomically


def test_writing_replaces_the_old_file_with_ordinary_permissions(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (
        tmp_path / "folder",
        tmp_path / "missing" / "a.png",
        tmp_path / "file" / "a.png",
        tmp_path / "a\0.png",
        "/",
    ):
        with pytest.raises(OutputError):
            write_atomically(path, b"data")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_lines_are_appended_each_on_its_own(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    append_lines(path, b"one\n")
    append_lines(path, b"two\nthree\n")
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_after_an_incomplete_line_a_new_one_begins(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"one\ntw")
    append_lines(path, b"three\n")
    assert path.read_bytes() == b"one\ntw\nthree\n"


def test_a_new_file_has_the_permissions_asked_for_less_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0o002)
    try:
        append_lines(tmp_path / "shared", b"\n")
        append_lines(tmp_path / "own", b"\n", mode=0o644)
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o664
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o644


def test_lines_that_cannot_be_appended_are_an_output_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "log", tmp_path / "a\0"):
        with pytest.raises(OutputError, match="check its folder"):
            append_lines(path, b"one\n")
    with pytest.raises(OutputError, match="No space left"):
        append_lines("/dev/full", b"one\n")


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUFT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tuft"
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_where_the_configuration_is(tmp_path: Path) -> None:
    assert config_folder({"XDG_CONFIG_HOME": str(tmp_path), "HOME": "/home"}) == tmp_path / "tuft"
    for ignored in ("", "relative"):
        assert config_folder({"XDG_CONFIG_HOME": ignored, "HOME": str(tmp_path)}) == tmp_path / ".config" / "tuft"
    assert config_folder({}) == Path("/.config/tuft")
