"""The demo's model repository in the user's data folder: made at first use, without a checkout and without torch.

Its name says what it was made of, so that an upgrade makes another one, and what is in it never changes. Each model
appears in one rename: several processes may make it at once.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.errors import OutputError
from tuft.files import DATA_VARIABLE, cannot_be_written, data_folder
from tuft_export.checkpoints import CHECKPOINTS
from tuft_export.graphs.weightless import demo_graph
from tuft_export.matting.checkpoints import SHIPPED
from tuft_export.matting.graph import STRUCTURE
from tuft_export.publishing.configurations import FILES, shipped_configurations
from tuft_export.publishing.publish import PublishOptions, publish, publish_matting
from tuft_export.publishing.python_backend import backend_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_DEMO: Final = CHECKPOINTS["demo"]


def demo_repository(sizes: Iterable[int] = contract.SIZES, *, matting: bool = True) -> Path:
    """The repository with the demo checkpoint and the matting stage, published for the runtime python where missing.

    Args:
        sizes: Working sizes in pixels that must be there.
        matting: Whether the matting stage must be there.

    Raises:
        OutputError: The user's data folder cannot be written; `TUFT_DATA` names another one.
        CheckpointError: The demo is damaged: install tuft again.
    """
    repository = data_folder() / f"demo-{_key()}"
    for size in sizes:
        name = contract.model_name(size)
        if not (repository / name).is_dir():
            _publish(repository, name, partial(_publish_size, size))
    if matting and not (repository / contract.MATTING_MODEL).is_dir():
        _publish(repository, contract.MATTING_MODEL, publish_matting)
    return repository


def _publish_size(size: int, options: PublishOptions) -> None:
    publish(_DEMO, replace(options, sizes=(size,)))


def _publish(repository: Path, name: str, publication: Callable[[PublishOptions], object]) -> None:
    """Publishes one model; `publication` fills the repository of the options that it is given."""
    staged = repository / f".{secrets.token_hex(8)}"
    try:
        staged.mkdir(parents=True)
    except OSError as exc:
        text = f"The folder {repository} cannot be made or written ({exc.strerror}): name another place"
        raise OutputError(f"{text} with {DATA_VARIABLE}.") from exc
    try:
        publication(PublishOptions(staged))
        (staged / name).rename(repository / name)
    except OSError as exc:
        if not (repository / name).is_dir():  # it would be another process's, with the same content
            raise cannot_be_written(repository / name, exc) from exc
    finally:
        shutil.rmtree(staged, ignore_errors=True)


@lru_cache(maxsize=1)
def _key() -> str:
    digest = hashlib.sha256(str(_DEMO.best_size).encode())
    for file in _sources():
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _sources() -> Iterator[Path]:
    """Everything that the published demo is made of."""
    yield _DEMO.path
    yield from (demo_graph(size) for size in contract.SIZES)
    yield from (SHIPPED, STRUCTURE)
    yield from (shipped_configurations(name) / file for name in contract.OWN_MODELS for file in FILES)
    yield from backend_sources()
