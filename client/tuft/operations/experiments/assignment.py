"""Assignment by a stable hash of a key: the same in every process, on every machine, at any time."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BITS: Final = 53  # the precision of a float


def share_of(key: str, salt: str) -> float:
    """Maps `key` to a uniform number that never changes and is independent for each `salt`.

    `share_of(key, salt) < 0.1` holds for a tenth of the keys. It still holds for these keys when the limit is raised to
    0.5, so a growing share keeps its members.

    Args:
        key: The unit, such as a customer number.
        salt: The purpose, such as the name of an experiment or of a rollout.

    Returns:
        A number, 0 <= share < 1.
    """
    # The length distinguishes ("ab", "c") from ("a", "bc"); file names may contain lone surrogates.
    text = f"{len(salt)}:{salt}{key}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
    return (number >> (64 - _BITS)) / 2.0**_BITS


def weighted_choice(key: str, salt: str, weights: Mapping[str, float]) -> str:
    """Chooses one of the names in `weights` with a probability proportional to its weight, the same for the same key.

    Each name draws an exponential waiting time at a rate equal to its weight, and the shortest wins (rendezvous
    hashing: D. Thaler and C. Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM Transactions on
    Networking 1998; here with weights). When a weight grows, keys move only to that name.

    Args:
        key: The unit, as for `share_of`.
        salt: The purpose, as for `share_of`.
        weights: From names to weights, at least one of them above zero; names of weight zero are never chosen.
    """
    waiting = {name: _waiting(share_of(key, f"{salt}/{name}"), weight) for name, weight in weights.items()}
    return min(waiting, key=lambda name: (waiting[name], name))


def _waiting(share: float, weight: float) -> float:
    return -math.log1p(-share) / weight if weight > 0 else math.inf
