"""What a process that decodes videos and its parent tell each other: JSON with bytes behind it, over a Unix socket.

JSON instead of pickle, since a hostile file may have compromised the process, and unpickling its answer could run code.
"""

from __future__ import annotations

import json
import socket
import time
from dataclasses import asdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from tuft.batch.video.colours import Colours
from tuft.batch.video.reading import Clip, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_LENGTH_BYTES: Final = 4
MESSAGE_BYTES: Final = 1 << 16
_LARGEST: Final = 1 << 62


class Ended(Exception):  # noqa: N818 - the end of a conversation
    """The other end of the socket is closed."""


def send(connection: socket.socket, message: Mapping[str, Any], content: NDArray[Any] | None = None) -> None:
    """Sends a message and the bytes of an array, which is C-contiguous."""
    line = json.dumps(message).encode()
    connection.sendall(len(line).to_bytes(_LENGTH_BYTES, "big") + line)
    if content is not None:
        connection.sendall(content.data.cast("B"))


def received(connection: socket.socket, timeout_s: float | None = None) -> dict[str, Any]:
    """The next message.

    Raises:
        Ended: There is none.
        TimeoutError: It did not arrive within `timeout_s` seconds.
        ValueError: It is none.
    """
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    size = int.from_bytes(_bytes(connection, _LENGTH_BYTES, deadline_s), "big")
    if size > MESSAGE_BYTES:
        raise ValueError(f"a message of {size} bytes")
    message = json.loads(_bytes(connection, size, deadline_s))
    if not isinstance(message, dict):
        raise ValueError("no object")
    return message


def receive_into(connection: socket.socket, array: NDArray[Any], timeout_s: float) -> None:
    """Fills an array, which is C-contiguous, with the bytes behind a message; raises as `received` does."""
    _fill(connection, array.data.cast("B"), time.monotonic() + timeout_s)


def _bytes(connection: socket.socket, count: int, deadline_s: float | None) -> bytes:
    content = bytearray(count)
    _fill(connection, memoryview(content), deadline_s)
    return bytes(content)


def _fill(connection: socket.socket, view: memoryview, deadline_s: float | None) -> None:
    while view:
        connection.settimeout(None if deadline_s is None else max(deadline_s - time.monotonic(), 0.001))
        count = connection.recv_into(view)
        if not count:
            raise Ended
        view = view[count:]


def clip_to_dict(clip: Clip) -> dict[str, Any]:
    """All of a clip but its path, for JSON."""
    values = asdict(clip)
    del values["path"]
    return {name: str(value) if isinstance(value, Fraction) else value for name, value in values.items()}


def clip_from_dict(path: Path, values: Mapping[str, Any], max_pixels: int) -> Clip:
    """The clip of `clip_to_dict`, which may come from hostile code.

    Raises:
        ArithmeticError, LookupError, TypeError, ValueError: It is none.
    """
    height, width = (_within(side, 1, max_pixels) for side in values["size_hw"])
    if height * width > max_pixels:
        raise ValueError(f"{width} × {height} pixels")
    turn = values["turn"]
    return Clip(
        path=path,
        size_hw=(height, width),
        time_base=_positive(values["time_base"]),
        origin=_within(values["origin"], -_LARGEST, _LARGEST),
        frames=_within(values["frames"], 0, _LARGEST),
        end=_within(values["end"], 1, _LARGEST),
        rate=None if values["rate"] is None else _positive(values["rate"]),
        pixel_aspect=_positive(values["pixel_aspect"]),
        colours=Colours(**{name: _within(value, 0, 255) for name, value in values["colours"].items()}),
        has_alpha=bool(values["has_alpha"]),
        has_sound=bool(values["has_sound"]),
        turn=Turn(_within(turn["quarters"], 0, 3), bool(turn["mirrored"])),
    )


def _within(value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{value!r} is not from {least} to {most}")
    return value


def _positive(text: object) -> Fraction:
    value = Fraction(str(text))
    if not (value > 0 and max(value.numerator, value.denominator) <= 1 << 31):
        raise ValueError(f"{text} is not above zero")
    return value
