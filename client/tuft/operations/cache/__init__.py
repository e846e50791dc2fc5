"""A result cache on disk: an identical request to the same version of a model is not computed again.

`key` identifies a request, `packing` encodes a result, `store` keeps bytes in SQLite, `results` combines them into
`ResultCache`, `versions` tracks which version of a model is served, and `runner` uses all of it for requests. An entry
holds the alpha and the colours that differ from the photograph's, never the photograph.
"""

from __future__ import annotations

from tuft.operations.cache.results import ResultCache
from tuft.operations.cache.runner import CachedRunner
from tuft.operations.cache.versions import VERSION_MAX_AGE_S, ServedVersions

__all__ = ["VERSION_MAX_AGE_S", "CachedRunner", "ResultCache", "ServedVersions"]
