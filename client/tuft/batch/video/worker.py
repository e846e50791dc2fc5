"""The process of `tuft.batch.video.isolated`: examines one video, or decodes its frames or its sound.

    python -m tuft.batch.video.worker DESCRIPTOR MEMORY_BYTES TIMEOUT_S

Its parent sends one request over the socket DESCRIPTOR. The answers are messages: a clip, frames with their pixels, or
sound with its samples; then `end`, or `error`, the name of one of tuft's errors, with `message`.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft.batch.video.library import av, decoding_errors, opened
from tuft.batch.video.messages import clip_from_dict, clip_to_dict, received, send
from tuft.batch.video.reading import examine, read_frames
from tuft.batch.video.sound import usual_layout
from tuft.errors import ImageTooLargeError, TuftError
from tuft.imaging.sandbox.limits import limit_cpu_time, set_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from av import AudioFrame

    Say = Callable[..., None]

# While frames are decoded that are left out, the parent hears of every so many of them.
STILL_AT_IT: Final = 16


def main(descriptor: int, memory_bytes: int, timeout_s: float) -> None:
    """Answers one request.

    Args:
        descriptor: Of one end of a Unix socket pair.
        memory_bytes: The memory limit, beyond what this process takes at its start.
        timeout_s: CPU seconds per core and message, for a process whose parent has died.
    """
    av()  # it is loaded before the limits apply
    set_limits(memory_bytes)
    with socket.socket(fileno=descriptor) as parent:

        def say(message: dict[str, Any], content: Any = None) -> None:
            limit_cpu_time(timeout_s)
            send(parent, message, content)

        say({"started": True})
        request = received(parent)
        path = Path(request["path"])
        try:
            _ANSWERS[request["ask"]](path, request, say)
            say({"end": True})
        except TuftError as error:
            say({"error": type(error).__name__, "message": str(error)})
        except MemoryError:
            name = ImageTooLargeError.__name__
            text = f"{path} takes more memory than the {memory_bytes} bytes allowed to decode: make it smaller first."
            say({"error": name, "message": text})


def _examine(path: Path, request: dict[str, Any], say: Say) -> None:
    say({"clip": clip_to_dict(examine(path, max_pixels=request["max_pixels"]))})


def _frames(path: Path, request: dict[str, Any], say: Say) -> None:
    clip = clip_from_dict(path, request["clip"], request["max_pixels"])

    def skipped(index: int) -> None:
        if index % STILL_AT_IT == 0:
            say({"skipped": index})

    for frame in read_frames(clip, skip=request["skip"], on_skipped=skipped):
        place = {"index": frame.index, "time": frame.time, "duration": frame.duration}
        say({**place, "shape": frame.pixels.shape}, frame.pixels)


def _sound(path: Path, _request: dict[str, Any], say: Say) -> None:
    """All audio streams as interleaved float32, in the order of the file."""
    with opened(path) as container:
        streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
        layouts = [usual_layout(stream.codec_context.channels) for stream in streams]
        rates = [stream.codec_context.sample_rate for stream in streams]
        say({"tracks": [{"rate": rate, "layout": layout} for rate, layout in zip(rates, layouts, strict=True)]})
        resamplers = [av().AudioResampler("flt", layout, rate) for layout, rate in zip(layouts, rates, strict=True)]
        numbers = {stream.index: number for number, stream in enumerate(streams)}
        packets = container.demux(*streams)
        while True:
            with decoding_errors(path):
                packet = next(packets, None)
                if packet is None:
                    return
                number = numbers[packet.stream.index]
                made = [each for frame in packet.decode() for each in resamplers[number].resample(frame)]
            _say_sound(number, made, say)


def _say_sound(number: int, frames: list[AudioFrame], say: Say) -> None:
    for frame in frames:
        samples = np.ascontiguousarray(frame.to_ndarray())
        time = None if frame.time_base is None or frame.pts is None else str(frame.pts * frame.time_base)
        say({"track": number, "time": time, "samples": frame.samples}, samples)


_ANSWERS: Final[dict[str, Callable[[Path, dict[str, Any], Say], None]]] = {
    "examine": _examine,
    "frames": _frames,
    "sound": _sound,
}

if __name__ == "__main__":
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
