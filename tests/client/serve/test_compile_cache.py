from __future__ import annotations

import os
import stat
from pathlib import Path

from tuft.serve.compile_cache import prepare


def kept(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_the_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "compiled"
    prepare(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_oldest_go_until_the_rest_is_small_enough(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "newer than old", "old", "oldest")):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    prepare(tmp_path, largest_bytes=400)
    assert kept(tmp_path) == {"new", "newer than old", "old", "oldest"}
    prepare(tmp_path, largest_bytes=399)
    assert kept(tmp_path) == {"new", "newer than old", "old"}
    prepare(tmp_path, largest_bytes=99)
    assert kept(tmp_path) == set()


def test_a_folder_that_cannot_be_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    prepare(tmp_path / "file")
    prepare(tmp_path / "file" / "compiled")
