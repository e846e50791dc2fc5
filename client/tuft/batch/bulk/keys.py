"""Keys of photographs: the names of their cut-outs, and sets of millions of keys."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_DIGEST_BYTES: Final = 16
_CHUNK_KEYS: Final = 100_000
_MOST_BYTES: Final = 200  # of a part of a name: file systems take 255, and a suffix and `.part` follow
_DIGITS: Final = 16
GROUP_NAME: Final = f"[0-9a-f]{{{_DIGITS}}}"  # a regular expression for what `group_name` returns
# The folder of tuft's own files in an output.
OWN: Final = "_tuft"
_ROOT: Final = "root"
_SCHEMES: Final = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "http", "https", "file", "memory"})
# First parts of names that mean something else than a folder; a key that begins with one is escaped.
_RESERVED: Final = _SCHEMES | {OWN, _ROOT}


def digest(key: str) -> bytes:
    """16 bytes that stand for a key: ten million have a chance of 1e-25 that two are the same."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def group_name(keys: Iterable[str]) -> str:
    """A name for what is made of these photographs together, the same whatever their order."""
    total = hashlib.blake2b(digest_size=_DIGITS // 2)
    for one in sorted(map(digest, keys)):
        total.update(one)
    return total.hexdigest()


def name_of(key: str) -> str:
    """A relative path for a key that file systems and buckets take; different keys have different ones.

    `s3://shop/a.jpg` becomes `s3/shop/a.jpg`, and `/srv/a.jpg` becomes `root/srv/a.jpg`. `%`, backslashes, control
    characters and parts that mean another folder are escaped as in a URL; a part that is too long is shortened, with a
    digest at its end.
    """
    scheme, separator, rest = key.partition("://")
    if separator and scheme in _SCHEMES:
        return "/".join([scheme, *map(_part, rest.split("/"))])
    if key.startswith("/"):
        return "/".join([_ROOT, *map(_part, key[1:].split("/"))])
    first, *others = map(_part, key.split("/"))
    if first in _RESERVED:
        first = _escaped(first[0]) + first[1:]
    return "/".join([first, *others])


def _part(part: str) -> str:
    if part in ("", ".", ".."):
        return "".join(map(_escaped, part)) or "%"
    text = "".join(_escaped(sign) if sign in "%\\" or not sign.isprintable() else sign for sign in part)
    data = text.encode("utf-8")
    if len(data) <= _MOST_BYTES:
        return text
    return f"{data[:_MOST_BYTES].decode('utf-8', 'ignore')}~{digest(part).hex()[:_DIGITS]}"


def _escaped(sign: str) -> str:
    return "".join(f"%{byte:02X}" for byte in sign.encode("utf-8", "surrogatepass"))


class KeySet:
    """A set of keys that takes 16 bytes for each, and is filled once.

    Args:
        digests: The digest of each key; one may come more than once.
        least: How often a digest has to come to be in the set.
    """

    def __init__(self, digests: Iterable[bytes] = (), *, least: int = 1) -> None:
        ordered, counts = np.unique(_array(digests), return_counts=True)
        self._sorted = ordered[counts >= least]

    def __len__(self) -> int:
        return len(self._sorted)

    def __contains__(self, key: str) -> bool:
        return bool(self.among([key])[0])

    def among(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Which of `keys` are in the set, bool [n]; many at once are much faster than one at a time."""
        wanted = _array(map(digest, keys))
        if not len(self._sorted):
            return np.zeros(len(wanted), np.bool_)
        places = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        found: NDArray[np.bool_] = self._sorted[places] == wanted
        return found


def _array(digests: Iterable[bytes]) -> NDArray[np.bytes_]:
    """In chunks: a Python object for each of millions of digests would take five times as much."""
    chunks, chunk = [], bytearray()
    for one in digests:
        chunk += one
        if len(chunk) == _CHUNK_KEYS * _DIGEST_BYTES:
            chunks.append(np.frombuffer(bytes(chunk), dtype=f"S{_DIGEST_BYTES}"))
            chunk.clear()
    chunks.append(np.frombuffer(bytes(chunk), dtype=f"S{_DIGEST_BYTES}"))
    return np.concatenate(chunks)
