"""Compact encoding of a matte: its alpha, and the colours that differ from the photograph's."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft.imaging.matte import Matte
from tuft.imaging.pixels import strips

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVEL: Final = 1  # level 6 takes twice the time for a tenth less
_COLOUR: Final = np.dtype("V3")  # three bytes as one value: masked reads and writes are twelve times as fast
_LENGTHS: Final = struct.Struct("<3I")
_DIGEST_BYTES: Final = hashlib.sha256().digest_size


def pack(matte: Matte, photo: NDArray[np.uint8]) -> bytes:
    """Encodes the matte of a photograph; the result takes a fraction of the space of the pixels.

    Args:
        matte: Alpha and foreground.
        photo: (H, W, 3) uint8.
    """
    differs = _differs(matte.foreground, photo)
    colours = _pixels(np.ascontiguousarray(matte.foreground))[differs.ravel()]
    arrays = (np.ascontiguousarray(matte.alpha), np.packbits(differs))
    parts = [*(zlib.compress(array.data, _LEVEL) for array in arrays), _packed_colours(colours)]
    body = _LENGTHS.pack(*map(len, parts)) + b"".join(parts)
    return hashlib.sha256(body).digest() + body


def unpack(packed: bytes, photo: NDArray[np.uint8]) -> Matte:
    """The matte that `pack` was given, bit for bit.

    Raises:
        ValueError: The bytes were not made by `pack` for a photograph of this size.
    """
    digest, body = packed[:_DIGEST_BYTES], memoryview(packed)[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("the bytes were changed since they were packed")
    height, width = photo.shape[:2]
    ends = np.cumsum(_LENGTHS.unpack_from(body)) + _LENGTHS.size
    starts = (_LENGTHS.size, *ends[:-1])
    alpha, bits, colours = (
        np.frombuffer(bytearray(zlib.decompress(body[start:end])), np.uint8)  # writable, like a computed one
        for start, end in zip(starts, ends, strict=True)
    )
    if not colours.size:
        return Matte(alpha.reshape(height, width), photo)
    differs = np.unpackbits(bits, count=height * width).view(np.bool_)
    foreground = photo.copy()
    _pixels(foreground)[differs] = _unpacked_colours(colours)
    return Matte(alpha.reshape(height, width), foreground)


def _pixels(picture: NDArray[np.uint8]) -> NDArray[np.void]:
    """A view of a picture (H, W, 3) as H · W values of three bytes."""
    return picture.reshape(-1).view(_COLOUR)


def _packed_colours(colours: NDArray[np.void]) -> bytes:
    """Differences between neighbours in each channel, Huffman-coded: grain does not repeat, but its steps are small."""
    channels = colours.view(np.uint8).reshape(-1, 3).T
    steps = np.ascontiguousarray(np.diff(channels, axis=1, prepend=np.uint8(0)))
    packer = zlib.compressobj(_LEVEL, strategy=zlib.Z_HUFFMAN_ONLY)
    return packer.compress(steps.data) + packer.flush()


def _unpacked_colours(steps: NDArray[np.uint8]) -> NDArray[np.void]:
    channels = np.cumsum(steps.reshape(3, -1), axis=1, dtype=np.uint8)
    return _pixels(np.ascontiguousarray(channels.T))


def _differs(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H, W) mask of the pixels where two pictures (H, W, 3) differ."""
    differs = np.zeros(one.shape[:2], np.bool_)
    if one is not other:
        for rows in strips(len(one)):
            same = cv2.inRange(cv2.absdiff(one[rows], other[rows]), (0, 0, 0), (0, 0, 0))
            np.equal(same, 0, out=differs[rows])
    return differs
