"""The demo's model repository in the user's data folder: made at first use, without a checkout and without torch.

Its name says what it was made of, so that an upgrade makes another one, and what is in it never changes. Each model
appears in one rename: several processes may make it at once.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tuft import contract
from tuft.errors import OutputError
from tuft.files import DATA_VARIABLE, cannot_be_written, data_folder
from tuft_export.checkpoints import CHECKPOINTS
from tuft_export.graphs.weightless import demo_graph
from tuft_export.publishing.configurations import FILES, shipped_configurations
from tuft_export.publishing.publish import PublishOptions, publish
from tuft_export.publishing.python_backend import backend_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def demo_repository(sizes: Iterable[int] = contract.SIZES) -> Path:
    """The repository with the demo checkpoint; what is missing is published for the runtime python.

    Args:
        sizes: Working sizes in pixels that must be there.

    Raises:
        OutputError: The user's data folder cannot be written; `TUFT_DATA` names another one.
        CheckpointError: The demo is damaged: install tuft again.
    """
    repository = data_folder() / f"demo-{_key()}"
    for size in sizes:
        if not (repository / contract.model_name(size)).is_dir():
            _publish(repository, size)
    return repository


def _publish(repository: Path, size: int) -> None:
    name, staged = contract.model_name(size), repository / f".{secrets.token_hex(8)}"
    try:
        staged.mkdir(parents=True)
    except OSError as exc:
        text = f"The folder {repository} cannot be made or written ({exc.strerror}): name another place"
        raise OutputError(f"{text} with {DATA_VARIABLE}.") from exc
    try:
        publish(CHECKPOINTS["demo"], PublishOptions(staged, sizes=(size,)))
        (staged / name).rename(repository / name)
    except OSError as exc:
        if not (repository / name).is_dir():  # it would be another process's, with the same content
            raise cannot_be_written(repository / name, exc) from exc
    finally:
        shutil.rmtree(staged, ignore_errors=True)


@lru_cache(maxsize=1)
def _key() -> str:
    digest = hashlib.sha256()
    for file in _sources():
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _sources() -> Iterator[Path]:
    """Everything that the published demo is made of."""
    yield CHECKPOINTS["demo"].path
    yield from (demo_graph(size) for size in contract.SIZES)
    yield from (shipped_configurations(contract.model_name(size)) / file for size in contract.SIZES for file in FILES)
    yield from backend_sources()
