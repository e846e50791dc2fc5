"""The worker process of `tuft.imaging.sandbox.pool`: decodes photographs until its parent closes the connection.

Each request is a line of JSON with two descriptors: the file to read, and the shared memory to write to. The answer is
a line of JSON: what a `Photo` or `Frames` say beside their pixels, or `error`, the name of one of tuft's errors, and
`message`. JSON instead of pickle, since hostile files may have compromised the worker, and unpickling its answer could
run code.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from tuft.errors import TuftError
from tuft.imaging.decoding.formats import register
from tuft.imaging.decoding.frames import frames_from_file
from tuft.imaging.decoding.load import decoding_errors, photo_from_file
from tuft.imaging.sandbox.limits import address_space_bytes, limit_cpu_time, set_limits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from tuft.imaging.decoding.load import Photo

REQUEST_BYTES: Final = 16_384


def main(descriptor: int, memory_bytes: int, timeout_s: float) -> None:
    """Answers requests until the other end of the socket is closed.

    Args:
        descriptor: The descriptor of one end of a Unix socket pair.
        memory_bytes: The memory limit for decoding, beyond what the process takes at its start.
        timeout_s: The limit of CPU seconds per core for a photograph. The parent enforces the time limit; this limit
            is for a worker whose parent has died.
    """
    register()  # Pillow's plugins are imported before the limits apply
    set_limits(memory_bytes)
    at_start = address_space_bytes()
    with socket.socket(fileno=descriptor) as parent:
        _send(parent, {})
        while True:
            line, descriptors, _, _ = socket.recv_fds(parent, REQUEST_BYTES, 2)
            if not line:
                return
            limit_cpu_time(timeout_s)
            answer = _decode(json.loads(line), *descriptors, memory=f"the memory_bytes of {memory_bytes} allowed")
            # Memory leaked by a hostile file must not make the next photograph fail.
            answer["last"] = address_space_bytes() - at_start > memory_bytes / 2
            _send(parent, answer)


def _send(parent: socket.socket, answer: dict[str, Any]) -> None:
    parent.sendall(json.dumps(answer).encode() + b"\n")


def _decode(request: dict[str, Any], source: int, pixels: int, *, memory: str) -> dict[str, Any]:
    name, frames = request.pop("name"), request.pop("frames")
    try:
        with os.fdopen(source, "rb") as file, decoding_errors(name, request["max_pixels"], memory=memory):
            file.seek(0)  # the position is shared with the parent
            answer = _frames(file, name, pixels, **request) if frames else _photo(file, name, pixels, **request)
    except TuftError as exc:
        return {"error": type(exc).__name__, "message": str(exc)}
    finally:
        os.close(pixels)
    return answer


def _photo(file: BinaryIO, name: str, pixels: int, **limits: Any) -> dict[str, Any]:
    photo = photo_from_file(file, name, **limits)
    return {**_written([photo], pixels), "animated": photo.animated}


def _frames(file: BinaryIO, name: str, pixels: int, **limits: Any) -> dict[str, Any]:
    frames = frames_from_file(file, name, **limits)
    return {**_written(frames.photos, pixels), "durations_ms": frames.durations_ms, "plays": frames.plays}


def _written(photos: Sequence[Photo], pixels: int) -> dict[str, Any]:
    """Writes the pixels of photos of one size, one after another; returns what else is to be known of them."""
    _write(photos, pixels)
    return {
        "size_hw": photos[0].size_hw,
        "have_alpha": [int(photo.alpha is not None) for photo in photos],
        "backdrops": [photo.backdrop for photo in photos],
    }


def _write(photos: Sequence[Photo], pixels: int) -> None:
    planes = [plane for photo in photos for plane in (photo.rgb, photo.alpha) if plane is not None]
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
    with mmap.mmap(pixels, sum(plane.nbytes for plane in planes), flags) as shared:
        for plane in planes:
            shared.write(plane.data)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
