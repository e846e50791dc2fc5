"""Triton's inference messages with tensors of many megabytes, written and read without protobuf's copies of them.

A request and a reply are protobuf messages whose tensors are the fields `raw_input_contents` and `raw_output_contents`:
bytes with a tag and a length before them (https://protobuf.dev/programming-guides/encoding). protobuf handles all other
fields, which are a few hundred bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from mmap import mmap

    from numpy.typing import NDArray

# Of ModelInferRequest and ModelInferResponse in Triton's grpc_service.proto.
_RAW_INPUT_CONTENTS: Final = 7
_RAW_OUTPUT_CONTENTS: Final = 6
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


def with_inputs(request: bytes, tensors: Iterable[NDArray[Any]]) -> bytes:
    """A serialised `ModelInferRequest` with the values of its inputs, in their order."""
    parts: list[Any] = [request]
    for tensor in tensors:
        values = np.ascontiguousarray(tensor)
        parts += [_varint(_RAW_INPUT_CONTENTS << 3 | _LENGTH_DELIMITED), _varint(values.nbytes), values.data.cast("B")]
    return b"".join(parts)


class Reply:
    """A serialised `ModelInferResponse`.

    Args:
        message: Its bytes.
        parse: Parses the message without its raw contents, as `ModelInferResponse.FromString` does.
        dtype_of: The NumPy type of a Triton type.

    Raises:
        ValueError: It is no such message.
    """

    def __init__(self, message: bytes, parse: Callable[[bytes], Any], dtype_of: Callable[[str], Any]) -> None:
        self._dtype_of = dtype_of
        self._source: bytes | mmap = message
        self._contents: list[slice] = []
        rest, copied_to = [], 0
        for field, start, values in _fields(message):
            if field == _RAW_OUTPUT_CONTENTS:
                self._contents.append(values)
                rest.append(message[copied_to:start])
                copied_to = values.stop
        self.response = parse(b"".join([*rest, message[copied_to:]]))

    def use_memory(self, memory: mmap, start: int) -> None:
        """Takes the values of the only output from shared memory, where the server has written them at `start`."""
        self._source = memory
        output = self.response.outputs[0]
        nbytes = math.prod(output.shape) * np.dtype(self._dtype_of(output.datatype)).itemsize
        self._contents = [slice(start, start + nbytes)]

    def as_numpy(self, name: str) -> NDArray[Any] | None:
        """An output's values, a view of the message; None if there is no such output.

        Raises:
            ValueError: The values are not as many as the output's shape says.
        """
        names = [output.name for output in self.response.outputs]
        if name not in names:
            return None
        index = names.index(name)
        output, dtype = self.response.outputs[index], np.dtype(self._dtype_of(self.response.outputs[index].datatype))
        if index >= len(self._contents):
            raise ValueError(f"no values of {name}")
        where = self._contents[index]
        count = (where.stop - where.start) // dtype.itemsize
        return np.frombuffer(self._source, dtype, count, where.start).reshape(tuple(output.shape))


def _fields(message: bytes) -> Iterator[tuple[int, int, slice]]:
    """The number of each field, the place where it starts, and that of its content."""
    place = 0
    while place < len(message):
        start = place
        tag, place = _read_varint(message, place)
        kind = tag & 7
        if kind == _VARINT:
            _, stop = _read_varint(message, place)
        elif kind == _LENGTH_DELIMITED:
            length, place = _read_varint(message, place)
            stop = place + length
        elif kind in (_FIXED64, _FIXED32):
            stop = place + (8 if kind == _FIXED64 else 4)
        else:
            raise ValueError(f"wire type {kind}")
        if stop > len(message):
            raise ValueError("cut off")
        yield tag >> 3, start, slice(place, stop)
        place = stop


def _varint(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    """The number at `place`, and the place after it."""
    number, shift = 0, 0
    while place < len(message):
        byte = message[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place
    raise ValueError("cut off")
