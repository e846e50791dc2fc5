"""Results kept on disk: the same photograph, asked for in the same way of the same model, is not computed twice.

`key` says what makes two requests the same, `packing` turns a result into few bytes and back, `store` keeps bytes,
`versions` knows which version of a model is served, `memory` is what a client uses. What is kept is the alpha and the
colours that differ from the photograph's, never the photograph.
"""

from __future__ import annotations

from tuft.operations.cache.packing import Result
from tuft.operations.cache.results import ResultCache
from tuft.operations.cache.runner import Memory, Recollection
from tuft.operations.cache.versions import VERSION_MAX_AGE_S

__all__ = ["VERSION_MAX_AGE_S", "Memory", "Recollection", "Result", "ResultCache"]
