"""Who gets which variant: a stable hash of a key, the same in every process, on every machine, on every day."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BITS: Final = 53  # a float holds so many exactly


def share_of(key: str, salt: str) -> float:
    """Where `key` stands among all keys: uniform, fixed for good, and independent for each `salt`.

    `share_of(key, salt) < 0.1` is true for a tenth of the keys, and for these again when the tenth becomes a half: a
    share that grows keeps whom it has.

    Args:
        key: Whom it is about, such as a customer's number.
        salt: What it is about, such as the name of an experiment or of a rollout.

    Returns:
        A share, 0 <= share < 1.
    """
    # The length keeps ("ab", "c") and ("a", "bc") apart; names of files may hold lone surrogates.
    text = f"{len(salt)}:{salt}{key}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
    return (number >> (64 - _BITS)) / 2.0**_BITS


def weighted_choice(key: str, salt: str, weights: Mapping[str, float]) -> str:
    """One of the names in `weights`, as often as its weight says, always the same for the same key.

    Every name draws an exponential waiting time at a rate of its weight, and the shortest wins (rendezvous hashing: D.
    Thaler and C. Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM Transactions on Networking
    1998; here with weights). When a weight grows, keys move to that name and no other key moves.

    Args:
        key: Whom it is about.
        salt: What it is about.
        weights: From names to weights, at least one of them above zero; those of zero are never chosen.
    """
    waiting = {name: _waiting(share_of(key, f"{salt}/{name}"), weight) for name, weight in weights.items()}
    return min(waiting, key=lambda name: (waiting[name], name))


def _waiting(share: float, weight: float) -> float:
    return -math.log1p(-share) / weight if weight > 0 else math.inf
