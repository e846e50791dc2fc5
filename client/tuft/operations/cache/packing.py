"""A result as few bytes, and back: alpha, and the colours that are not the photograph's own."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

from tuft.imaging.pixels import strips

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVEL: Final = 1  # a level of 6 takes twice the time of 1 for a tenth less
_COLOUR: Final = np.dtype("V3")  # three bytes as one value: picking and placing them is twelve times as fast
_LENGTHS: Final = struct.Struct("<3I")
_DIGEST_BYTES: Final = hashlib.sha256().digest_size


class Result(NamedTuple):
    """What was found out about a photograph.

    Attributes:
        alpha: (H, W) uint8.
        foreground: (H, W, 3) uint8, the subject's colours; the photograph's own array where nothing differs.
    """

    alpha: NDArray[np.uint8]
    foreground: NDArray[np.uint8]


def pack(result: Result, photo: NDArray[np.uint8]) -> bytes:
    """`result` of the photograph `photo` (H, W, 3) uint8 as bytes, a fraction of its pixels'."""
    differs = _differs(result.foreground, photo)
    colours = _pixels(np.ascontiguousarray(result.foreground))[differs.ravel()]
    arrays = (np.ascontiguousarray(result.alpha), np.packbits(differs))
    parts = [*(zlib.compress(array.data, _LEVEL) for array in arrays), _packed_colours(colours)]
    body = _LENGTHS.pack(*map(len, parts)) + b"".join(parts)
    return hashlib.sha256(body).digest() + body


def unpack(packed: bytes, photo: NDArray[np.uint8]) -> Result:
    """The result that `pack` was given, bit for bit.

    Raises:
        ValueError: These are not the bytes that `pack` has made for a photograph of this size.
    """
    digest, body = packed[:_DIGEST_BYTES], memoryview(packed)[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("the bytes were changed since they were packed")
    height, width = photo.shape[:2]
    ends = np.cumsum(_LENGTHS.unpack_from(body)) + _LENGTHS.size
    starts = (_LENGTHS.size, *ends[:-1])
    alpha, bits, colours = (
        np.frombuffer(bytearray(zlib.decompress(body[start:end])), np.uint8)  # writable, as a computed one is
        for start, end in zip(starts, ends, strict=True)
    )
    if not colours.size:
        return Result(alpha.reshape(height, width), photo)
    differs = np.unpackbits(bits, count=height * width).view(np.bool_)
    foreground = photo.copy()
    _pixels(foreground)[differs] = _unpacked_colours(colours)
    return Result(alpha.reshape(height, width), foreground)


def _pixels(picture: NDArray[np.uint8]) -> NDArray[np.void]:
    """(H · W) values of three bytes each, in the memory of a picture (H, W, 3)."""
    return picture.reshape(-1).view(_COLOUR)


def _packed_colours(colours: NDArray[np.void]) -> bytes:
    """Each channel as steps from one colour to the next: grain leaves nothing to be found but that they are small."""
    channels = colours.view(np.uint8).reshape(-1, 3).T
    steps = np.ascontiguousarray(np.diff(channels, axis=1, prepend=np.uint8(0)))
    packer = zlib.compressobj(_LEVEL, strategy=zlib.Z_HUFFMAN_ONLY)
    return packer.compress(steps.data) + packer.flush()


def _unpacked_colours(steps: NDArray[np.uint8]) -> NDArray[np.void]:
    channels = np.cumsum(steps.reshape(3, -1), axis=1, dtype=np.uint8)
    return _pixels(np.ascontiguousarray(channels.T))


def _differs(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H, W): where two pictures (H, W, 3) are not the same colour."""
    differs = np.zeros(one.shape[:2], np.bool_)
    if one is not other:
        for rows in strips(len(one)):
            same = cv2.inRange(cv2.absdiff(one[rows], other[rows]), (0, 0, 0), (0, 0, 0))
            np.equal(same, 0, out=differs[rows])
    return differs
