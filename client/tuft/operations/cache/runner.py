"""The result cache as a layer of a request: a kept matte, or a computed one that is then kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuft.inference.runner import RunRequest, RunResult
from tuft.operations.cache.key import Key

if TYPE_CHECKING:
    from tuft.inference.runner import Runner
    from tuft.operations.cache.results import ResultCache
    from tuft.operations.cache.versions import ServedVersions


class CachedRunner:
    """Answers from a cache where it can.

    Args:
        inner: Computes what is not kept.
        cache: The kept results.
        versions: Which version of each model the server serves.
        server: Name of the server: another one may give the same name and version to different weights.
    """

    def __init__(self, inner: Runner, cache: ResultCache, versions: ServedVersions, server: str) -> None:
        self.versions = versions
        self._inner = inner
        self._cache = cache
        self._server = server

    def run(self, request: RunRequest) -> RunResult:
        """See `Runner.run`; the result of a smaller preset is not kept, nor one that a prompt has selected."""
        if request.selected is not None:
            return self._inner.run(request)
        key = Key.of(request.photo, request.preset, request.model_name, server=self._server)
        version = request.model_version or self.versions.of(request.model_name)
        matte = self._cache.get(key, version, request.photo.rgb)
        request.state.note(cache="miss" if matte is None else "hit")
        if matte is not None and version is not None:
            request.state.note(served=request.preset.name, model=key.model, model_version=version)
            return RunResult(matte, request.preset, key.model, version)
        result = self._inner.run(request)
        if request.state.record.fallback_reason is None:
            if not request.model_version:
                self.versions.learn(key.model, result.version)
            self._cache.put(key, result.version, request.photo.rgb, result.matte)
        return result
