"""The files of Triton's Python backend in a version folder: `model.py` and the package `tuft_runtime`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import tuft_runtime

PACKAGE: Final = "tuft_runtime"
ENTRY: Final = "model.py"


def backend_sources() -> list[Path]:
    """The modules of `tuft_runtime`, sorted by name."""
    return sorted(Path(tuft_runtime.__file__).parent.glob("*.py"))


def copy_python_backend(version_folder: Path) -> None:
    """Copies `model.py` and the rest of the package, each file once, into a version folder."""
    package = version_folder / PACKAGE
    package.mkdir(exist_ok=True)
    for source in backend_sources():
        target = version_folder if source.name == ENTRY else package
        (target / source.name).write_bytes(source.read_bytes())
