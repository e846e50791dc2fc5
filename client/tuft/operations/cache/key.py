"""What makes two requests the same."""

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
    """One request, all but the version of the model that answers it.

    The photograph counts by its pixels, which are needed for the result anyway: the same picture is the same from a
    path, from bytes or from an array, and after its metadata were edited.

    Attributes:
        model: Name of the model that is asked.
        digest: Of the photograph and of everything that is done to it, in hexadecimal.
    """

    model: str
    digest: str

    @classmethod
    def of(cls, photo: Photo, preset: Preset, model: str, *, server: str) -> Key:
        """What is asked about `photo`.

        Args:
            photo: The photograph.
            preset: How it is treated, this request's overrides included.
            model: Name of the model that is asked.
            server: Where: two servers may give the same name and version to different weights.
        """
        digest = hashlib.sha256()
        treatment = [preset.name, preset.size, preset.resize, preset.refine]
        digest.update(json.dumps([_tuft_version(), server, model, *treatment, photo.size_hw]).encode())
        digest.update(photo.rgb.data)
        if photo.alpha is not None:
            digest.update(photo.alpha.data)
        return cls(model, digest.hexdigest())

    def at(self, model_version: str) -> str:
        """The name under which the result of one version of the model is kept."""
        return f"{self.digest}/{model_version}"


@cache
def _tuft_version() -> str:
    """Another version may compute another result."""
    try:
        return version("tuft")
    except PackageNotFoundError:
        return ""
