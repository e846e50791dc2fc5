"""The files of Triton's Python backend in a version folder: `model.py` and the package `tuft_runtime`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import tuft_runtime

PACKAGE: Final = "tuft_runtime"
ENTRY: Final = "model.py"
# The entry of models with other tensors than one picture and its saliency; Triton calls it `model.py` as well.
TENSORS_ENTRY: Final = "model_tensors.py"


def backend_sources() -> list[Path]:
    """The modules of `tuft_runtime`, sorted by name."""
    return sorted(Path(tuft_runtime.__file__).parent.glob("*.py"))


def copy_python_backend(version_folder: Path, entry: str = ENTRY) -> None:
    """Copies an entry as `model.py`, and the rest of the package, each file once, into a version folder.

    Args:
        version_folder: Where to.
        entry: `ENTRY` or `TENSORS_ENTRY`; the other one is left out.
    """
    package = version_folder / PACKAGE
    package.mkdir(exist_ok=True)
    for source in backend_sources():
        if source.name == entry:
            (version_folder / ENTRY).write_bytes(source.read_bytes())
        elif source.name not in (ENTRY, TENSORS_ENTRY):
            (package / source.name).write_bytes(source.read_bytes())
