"""Files that are replaced as a whole or appended to, and the folders of configuration and cache."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuft.errors import OutputError
from tuft.files import (
    append_lines,
    cache_folder,
    config_folder,
    ends_all_writing,
    require_writable,
    write_atomically,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


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


NOBODY = 65_534


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Path]:
    """A folder that an ordinary user may use, as which the test goes on."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() != 0 or folder == Path("/tmp"):
            break
        folder.chmod(folder.stat().st_mode | 0o011)
    place = tmp_path / "place"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    if os.getuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield place
    finally:
        os.seteuid(os.getuid())
        place.chmod(0o777)


def rights(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    os.chown(path, 1234, 5678)
    path.chmod(0o620)
    write_atomically(path, b"new")
    assert rights(path) == (0o620, 1234, 5678)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_that_may_be_written_stays_theirs(unprivileged: Path) -> None:
    path = unprivileged / "shared.png"
    os.seteuid(0)
    path.write_bytes(b"the older and longer")
    os.chown(path, 1234, 5678)
    path.chmod(0o666)
    os.seteuid(NOBODY)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert rights(path) == (0o666, 1234, 5678)


def test_a_file_keeps_its_extended_attributes(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    try:
        os.setxattr(path, "user.origin", b"here")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")
    write_atomically(path, b"new")
    assert os.getxattr(path, "user.origin") == b"here"


def test_a_file_keeps_its_access_list(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    nobody, read, write = 0xFFFFFFFF, 4, 2
    entries = [(1, read | write, nobody), (2, read, 1234), (4, 0, nobody), (16, read, nobody), (32, 0, nobody)]
    access_list = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", access_list)
    except (OSError, AttributeError):
        pytest.skip("no access lists here")
    write_atomically(path, b"new")
    assert os.getxattr(path, "system.posix_acl_access") == access_list


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link, chain = tmp_path / "real" / "out.png", tmp_path / "link.png", tmp_path / "chain.png"
    link.symlink_to("real/out.png")
    chain.symlink_to(link)
    for data in (b"made", b"replaced"):  # at first the link dangles
        write_atomically(chain, data)
        assert chain.is_symlink()
        assert link.is_symlink()
        assert not target.is_symlink()
        assert target.read_bytes() == data
    assert [entry.name for entry in (tmp_path / "real").iterdir()] == ["out.png"]


def test_a_link_to_itself_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError):
        write_atomically(tmp_path / "loop", b"new")
    with pytest.raises(OutputError):
        require_writable([tmp_path / "loop"])
    assert (tmp_path / "loop").is_symlink()


@pytest.mark.parametrize("data", [b"new", b"", b"longer than it was"])
def test_every_name_of_a_file_shows_the_new_contents(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(b"the old")
    os.link(tmp_path / "a", tmp_path / "b")
    write_atomically(tmp_path / "b", data)
    assert (tmp_path / "a").read_bytes() == data
    assert (tmp_path / "a").samefile(tmp_path / "b")


def test_a_file_of_several_names_gets_its_contents_back_if_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"the old")
    os.link(tmp_path / "a", tmp_path / "b")
    failures = iter([OSError(28, "No space left on device")])

    def full(descriptor: int) -> None:
        for failure in failures:
            raise failure

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_atomically(tmp_path / "b", b"new and longer")
    assert (tmp_path / "a").read_bytes() == b"the old"


@pytest.mark.parametrize("device", ["/dev/null", "link"])
def test_a_device_stays_one(tmp_path: Path, device: str) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    path = tmp_path / device
    write_atomically(path, b"data")
    require_writable([path])
    assert stat.S_ISCHR(path.stat().st_mode)
    with pytest.raises(OutputError, match="No space left") as caught:
        write_atomically("/dev/full", b"data")
    assert ends_all_writing(caught.value)


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = bytes(range(256)) * 4096  # more than a pipe holds
    writer = threading.Thread(target=write_atomically, args=(path, data))
    writer.start()
    assert path.read_bytes() == data
    writer.join()
    assert path.is_fifo()


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_standard_output_is_written_to_and_not_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    script = f"from tuft.files import write_atomically; write_atomically({str(tmp_path / name)!r}, b'data')"
    root = Path(sys.modules["tuft"].__file__ or "").parents[1]
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, cwd=root, capture_output=True, check=True).stdout == b"data"
    with (tmp_path / "log").open("ab") as log:
        log.write(b"before ")
        log.flush()
        subprocess.run(command, cwd=root, stdout=log, check=True)
        log.write(b" after")
    assert (tmp_path / "log").read_bytes() == b"before data after"


def test_what_is_read_only_is_left_and_told_beforehand(unprivileged: Path) -> None:
    (unprivileged / "kept.png").write_bytes(b"kept")
    (unprivileged / "kept.png").chmod(0o444)
    (unprivileged / "closed").mkdir()
    (unprivileged / "closed" / "open.png").write_bytes(b"old")
    (unprivileged / "closed").chmod(0o555)
    for path in (unprivileged / "kept.png", unprivileged / "closed" / "a.png", Path("/proc/a.png")):
        with pytest.raises(OutputError, match=path.name):
            require_writable([path])
        with pytest.raises(OutputError, match=path.name):
            write_atomically(path, b"new")
    assert (unprivileged / "kept.png").read_bytes() == b"kept"
    # A file may be writable where none can be made: it is overwritten.
    require_writable([unprivileged / "closed" / "open.png"])
    write_atomically(unprivileged / "closed" / "open.png", b"new")
    assert (unprivileged / "closed" / "open.png").read_bytes() == b"new"
    (unprivileged / "closed").chmod(0o777)


def test_whether_files_can_be_written_is_known_beforehand(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    wrong = ("folder", "file/a.png", "file/deep/a.png", "a\0.png", "a" * 300 + ".png")
    for name in wrong:
        with pytest.raises(OutputError) as caught:
            require_writable([tmp_path / "fine.png", tmp_path / name])
        assert len(str(caught.value)) < 1000
    require_writable([tmp_path / "fine.png", tmp_path / "file", tmp_path / "new" / "deep" / "a.png"])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_is_known_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left") as caught:
        require_writable([tmp_path / "new" / "a.png"])
    assert ends_all_writing(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_power_failure_while_replacing_leaves_no_wider_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "private.png"
    path.write_bytes(b"old")
    path.chmod(0o600)
    seen = []

    def look(source: Path, target: Path) -> None:
        seen.append(stat.S_IMODE(target.stat().st_mode))

    monkeypatch.setattr(shutil, "copystat", look)
    write_atomically(path, b"new")
    assert seen == [0o600]


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
        with pytest.raises(OutputError, match=r"check its folder|is a folder"):
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
