"""The cache key of a request."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuft.imaging import Photo
    from tuft.presets import Preset


@dataclass(frozen=True)
class Key:
    """Identifies a request, except for the version of the model.

    The photograph is identified by its pixels, so the key does not depend on whether it was given as a path, as bytes
    or as an array, nor on its metadata.

    Attributes:
        model: Name of the requested model.
        digest: SHA-256 of the photograph and of all processing options, in hexadecimal.
    """

    model: str
    digest: str

    @classmethod
    def of(cls, photo: Photo, preset: Preset, model: str, *, server: str) -> Key:
        """The key of a request.

        Args:
            photo: The photograph.
            preset: How to process it, with the overrides of this request.
            model: Name of the requested model.
            server: Address of the server: two servers may use one model name and version for different weights.
        """
        digest = hashlib.sha256()
        options = [preset.name, preset.size, preset.resize, preset.refine, preset.reference]
        digest.update(json.dumps([_tuft_version(), server, model, *options, photo.size_hw]).encode())
        digest.update(photo.rgb.data)
        if photo.alpha is not None:
            digest.update(photo.alpha.data)
        return cls(model, digest.hexdigest())

    def at(self, model_version: str) -> str:
        """The name under which the result of one version of the model is stored."""
        return f"{self.digest}/{model_version}"


@cache
def _tuft_version() -> str:
    """Part of the key, because another version of tuft may compute another result."""
    try:
        return version("tuft-matting")
    except PackageNotFoundError:
        return ""
