"""Computes published models in this process: what `Client("local")` uses instead of a server.

`transport` implements the client's seam, `models` finds the models of a repository, `worker` computes them one at a
time. The client finds it by the entry point `tuft.transports`, and imports none of it.
"""

from __future__ import annotations

from pathlib import Path

from tuft.errors import SetupError
from tuft_local.engine import is_installed
from tuft_local.models import Models
from tuft_local.transport import LocalTransport

__all__ = ["LocalTransport", "connect", "is_installed"]


def connect(repository: str = "") -> LocalTransport:
    """The transport that computes in this process; making one reads no model.

    Args:
        repository: A model repository; by default that of `tuft-export publish` in the user's data folder, with the
            demo for the models that it lacks.

    Raises:
        SetupError: What it computes with is not installed, or there is no such repository.
    """
    if not is_installed():
        raise SetupError("Nothing to compute with is installed: pip install 'tuft-matting[local]'.")
    if repository and not Path(repository).is_dir():
        raise SetupError(f"There is no model repository at {repository}: name the one you have after local:.")
    return LocalTransport(Models(Path(repository) if repository else None))
