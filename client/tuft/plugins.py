"""Parts of tuft that plug into the client: found by entry points, because the client imports none of them."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, Final

# From a name to a function that makes a `Transport`; its argument is what follows `name:` in the server's address.
TRANSPORTS: Final = "tuft.transports"
# From a name to a function that returns the path of a model repository, which it fills if need be.
REPOSITORIES: Final = "tuft.repositories"


@lru_cache
def plugin(group: str, name: str) -> Any | None:
    """The object that an installed distribution registers under a name; None if there is none, or not its module.

    Args:
        group: One of this module's groups.
        name: The name.
    """
    for point in entry_points(group=group, name=name):
        with suppress(ModuleNotFoundError):
            return point.load()
    return None
