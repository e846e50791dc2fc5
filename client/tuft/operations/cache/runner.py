"""What a client remembers of the server that it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuft import contract
from tuft.operations.cache.key import Key
from tuft.operations.cache.versions import ServedVersions
from tuft.presets import working_size

if TYPE_CHECKING:
    from tuft.imaging import Photo
    from tuft.inference.transport.base import Transport
    from tuft.operations.cache.packing import Result
    from tuft.operations.cache.results import ResultCache
    from tuft.presets import Preset


class Memory:
    """A cache, and which versions are served at present.

    Args:
        cache: Where results are.
        transport: The way to the server.
        server: What to call the server: others may give the same name and version to different weights.
    """

    def __init__(self, cache: ResultCache, transport: Transport, server: str) -> None:
        self._cache = cache
        self._versions = ServedVersions(transport)
        self._server = server

    def of(self, photo: Photo, preset: Preset, model: str | None, version: str) -> Recollection:
        """What is remembered of a photograph; `model` and `version` are those of `tuft.Client.remove`."""
        name = model or contract.model_name(working_size(preset, photo.size_hw))
        key = Key.of(photo, preset, name, server=self._server)
        return Recollection(self._cache, self._versions, photo, key, version)


class Recollection:
    """What is remembered of one photograph that is treated in one way.

    Attributes:
        model: Name of the model that is asked.
        version: Its version that would answer; None if that cannot be known.
    """

    def __init__(self, cache: ResultCache, versions: ServedVersions, photo: Photo, key: Key, version: str) -> None:
        self.model = key.model
        self.version = version or versions.of(key.model)
        self._cache = cache
        self._versions = versions
        self._photo = photo
        self._key = key
        self._pinned = bool(version)

    def find(self) -> Result | None:
        """The result, counted as a hit; or None, counted as a miss."""
        return self._cache.find(self._key, self.version, self._photo.rgb)

    def keep(self, version: str, result: Result) -> None:
        """Keeps the result that an answer by `version` of the model has led to."""
        if not self._pinned:
            self._versions.learn(self.model, version)
        self._cache.keep(self._key, version, self._photo.rgb, result)
