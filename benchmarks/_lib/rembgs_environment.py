"""A virtual environment with rembg, which cannot share one with tuft's own packages."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from tuft.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGES: Final = ("rembg==2.0.86", "onnxruntime")


def with_rembg(environment: Path) -> Path:
    """The interpreter of a virtual environment with rembg, which is made if it is missing.

    Raises:
        SetupError: rembg could not be installed.
    """
    python = environment / "bin" / "python"
    if not python.is_file():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *_PACKAGES], check=True)
        except subprocess.CalledProcessError as exc:
            raise SetupError("rembg could not be installed: see pip's message above, or give --rembg.") from exc
    return python
