"""Packages of the npm registry, unpacked without being installed: no script of theirs runs."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

import pytest

_CACHE: Final = Path(tempfile.gettempdir()) / "tuft-test-npm"
_FETCH_S: Final = 120


def npm_package(name: str, version: str) -> Path:
    """The folder of one package at one version; skips the test where npm or its registry is absent."""
    folder = _CACHE / f"{name}-{version}"
    if not folder.exists():
        _fetch(f"{name}@{version}", folder)
    return folder / "package"


def _fetch(package: str, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("There is no npm: apt-get install npm")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        command = [npm, "pack", "--silent", "--pack-destination", name, package]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_S, check=False)
        if done.returncode != 0:
            pytest.skip(f"npm's registry does not give {package}: {done.stderr.strip()[-200:]}")
        (archive,) = Path(name).glob("*.tgz")
        with tarfile.open(archive) as file:
            file.extractall(Path(name) / "unpacked", filter="data")
        try:
            (Path(name) / "unpacked").rename(folder)
        except OSError:  # another process was faster
            if not folder.is_dir():
                raise
