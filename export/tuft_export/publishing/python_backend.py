"""The files of Triton's Python backend in a version folder: `model.py` and the package `tuft_runtime`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

PACKAGE: Final = "tuft_runtime"
ENTRY: Final = "model.py"


def copy_python_backend(version_folder: Path) -> None:
    """Copies `model.py` and the rest of the package, each file once, into a version folder."""
    package = version_folder / PACKAGE
    package.mkdir(exist_ok=True)
    for source in files(PACKAGE).iterdir():
        if source.name.endswith(".py"):
            target = version_folder if source.name == ENTRY else package
            (target / source.name).write_bytes(source.read_bytes())
