"""Reads videos: what a file holds, and its frames, upright and in RGB, one at a time."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from tuft.batch.video.colours import Colours
from tuft.batch.video.library import av, decoding_errors, opened
from tuft.errors import ImageTooLargeError, NotAnImageError, TruncatedImageError
from tuft.imaging import MAX_PIXELS
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

# Decoders that give a video's alpha; FFmpeg's default ones drop it.
_ALPHA_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# A file is taken for truncated if it ends so many seconds before the end that it states.
_MISSING_S: Final = 1.0
_NEVER: Final = -(1 << 62)


@dataclass(frozen=True)
class Turn:
    """How decoded pixels become upright: first mirrored, then turned.

    Attributes:
        quarters: Quarter turns counter-clockwise.
        mirrored: Whether left and right are swapped before.
    """

    quarters: int = 0
    mirrored: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Turn:
        """That of a frame's display matrix; turns by less than a quarter are left alone."""
        data = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return cls()
        # It maps (1, 0) to (a, b) and (0, 1) to (c, d), with y pointing down.
        a, b, _, c, d = np.frombuffer(cast("bytes", data), "<i4")[:5] / 65536
        mirrored = bool(a * d - b * c < 0)
        angle = np.arctan2(b, -a) if mirrored else np.arctan2(-b, a)
        return cls(round(float(angle) / (np.pi / 2)) % 4, mirrored)

    def upright(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels (H, W, C) as they are to be seen, C-contiguous."""
        turned = np.rot90(pixels[:, ::-1] if self.mirrored else pixels, self.quarters)
        return np.ascontiguousarray(turned)


@dataclass(frozen=True)
class Clip:
    """What a video file holds.

    Attributes:
        path: The file.
        size_hw: Height and width of the upright frames in pixels.
        time_base: Seconds of one unit of a frame's time.
        origin: The time, in these units, that counts as 0: the start of the file.
        frames: How many frames there are, by its packets; decoding may give a few more or less.
        end: When the last frame ends, in units since `origin`.
        rate: Frames a second on average; None if the file does not tell.
        pixel_aspect: Width of a pixel by its height.
        colours: How its colours are coded.
        has_alpha: Whether it is translucent itself.
        has_sound: Whether it has an audio stream.
    """

    path: Path
    size_hw: tuple[int, int]
    time_base: Fraction
    origin: int
    frames: int
    end: int
    rate: Fraction | None
    pixel_aspect: Fraction
    colours: Colours
    has_alpha: bool
    has_sound: bool
    turn: Turn = field(default_factory=Turn, repr=False)

    @property
    def frame_units(self) -> int:
        """The usual duration of a frame in units of time, at least 1."""
        if self.rate:
            return max(1, round(1 / (self.rate * self.time_base)))
        return max(1, self.end // max(1, self.frames))


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded frame.

    Attributes:
        index: Its number, from 0.
        time: When it is shown, in units of `Clip.time_base` since `Clip.origin`.
        duration: Until the next one is shown, in the same units.
        pixels: uint8 (H, W, 3), or (H, W, 4) with straight alpha, upright, RGB.
    """

    index: int
    time: int
    duration: int
    pixels: NDArray[np.uint8] = field(repr=False)


def examine(path: Path, *, max_pixels: int = MAX_PIXELS) -> Clip:
    """What a video file holds; its packets are read once, and its first frame is decoded.

    Args:
        path: The file.
        max_pixels: The largest width × height of a frame.

    Raises:
        ImageError: It cannot be used; the class says why.
        SetupError: PyAV is not installed.
    """
    with opened(path) as container:
        stream = _video_stream(container, path)
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > max_pixels:
            raise ImageTooLargeError(
                f"{shown(path)} has frames of {width} × {height} pixels, more than the {max_pixels} allowed: "
                "make it smaller, or raise max_pixels."
            )
        with closing(_decoded(container, stream, path)) as frames:
            first = next(frames, None)
        if first is None:
            raise TruncatedImageError(f"{shown(path)} has no frame that can be decoded: get it anew.")
        turn, alpha = Turn.of(first), _has_alpha(first)
        size_hw = (first.height, first.width) if turn.quarters % 2 == 0 else (first.width, first.height)
        aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    with opened(path) as container:
        stream = _video_stream(container, path)
        assert stream.time_base is not None
        count, begin, end = _extent(container, stream, path)
        start_s = Fraction(max(0, container.start_time or 0), 1_000_000)
        origin = min(begin, round(start_s / stream.time_base))
        return Clip(
            path=path,
            size_hw=size_hw,
            time_base=Fraction(stream.time_base),
            origin=origin,
            frames=count,
            end=max(1, end - origin),
            rate=stream.average_rate or stream.guessed_rate,
            pixel_aspect=aspect if turn.quarters % 2 == 0 else 1 / aspect,
            colours=Colours.of(first),
            has_alpha=alpha,
            has_sound=bool(container.streams.audio),
            turn=turn,
        )


def read_frames(
    clip: Clip, *, skip: int = 0, on_skipped: Callable[[int], None] | None = None
) -> Generator[Frame, None, None]:
    """The frames of a clip in the order in which they are shown.

    Args:
        clip: As `examine` returns it.
        skip: So many frames at the beginning are decoded and left out.
        on_skipped: Told the number of each of them.

    Raises:
        TruncatedImageError: The file is damaged.
    """
    width, height = clip.size_hw[::-1] if clip.turn.quarters % 2 == 0 else clip.size_hw
    with opened(clip.path) as container, closing(_timed(container, clip)) as frames:
        for index, (time, duration, frame) in enumerate(frames):
            if index >= skip:
                pixels = clip.colours.rgb(frame, alpha=clip.has_alpha, size_wh=(width, height))
                yield Frame(index, time, duration, clip.turn.upright(pixels))
            elif on_skipped is not None:
                on_skipped(index)


def _timed(container: InputContainer, clip: Clip) -> Generator[tuple[int, int, VideoFrame], None, None]:
    """Each frame with its time, which always grows, and its duration, which the next one tells."""
    before: VideoFrame | None = None
    began = _NEVER
    with closing(_decoded(container, _video_stream(container, clip.path), clip.path)) as frames:
        for frame in frames:
            stated = frame.pts if frame.pts is not None else frame.dts
            fallback = clip.origin if before is None else began + clip.frame_units
            time = fallback if stated is None else max(stated, began + 1)
            if before is not None:
                yield began - clip.origin, time - began, before
            before, began = frame, time
    if before is not None:
        left = clip.origin + clip.end - began
        yield began - clip.origin, left if left > 0 else before.duration or clip.frame_units, before


def _decoded(container: InputContainer, stream: VideoStream, path: Path) -> Generator[VideoFrame, None, None]:
    """All frames, those that the decoder holds back until the end included."""
    decoder: Any = stream
    tags = {name.lower() for name in stream.metadata}
    if "alpha_mode" in tags and stream.codec_context.name in _ALPHA_DECODERS:
        decoder = av().CodecContext.create(_ALPHA_DECODERS[stream.codec_context.name], "r")
    else:
        stream.thread_type = "SLICE"  # with threads by frame, FFmpeg drops damaged frames without a word
    at = ""
    try:
        with decoding_errors(path):
            packets = container.demux(stream)
        for packet in _packets(packets, path):
            with decoding_errors(path, at):
                frames = decoder.decode(packet if packet.size else None)
            for frame in frames:
                yield frame
                if frame.pts is not None and stream.time_base is not None:
                    at = f" at {float(frame.pts * stream.time_base):.2f} s"
    except av().error.EOFError:
        return


def _packets(packets: Iterator[Any], path: Path) -> Iterator[Any]:
    while True:
        with decoding_errors(path):
            packet = next(packets, None)
        if packet is None:
            return
        yield packet


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream that is no cover picture."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
            return stream
    what = "sound only" if container.streams.audio else "no picture"
    raise NotAnImageError(f"{shown(path)} is no video, it has {what}: give one with frames.")


def _extent(container: InputContainer, stream: VideoStream, path: Path) -> tuple[int, int, int]:
    """The number of frames, when the first is shown and when the last one ends, in the stream's units.

    Raises:
        TruncatedImageError: The file states a longer duration.
    """
    assert stream.time_base is not None
    count, begin, end, last_s = 0, 1 << 62, _NEVER, 0.0
    for packet in _packets(container.demux(*container.streams.video, *container.streams.audio), path):
        time = packet.pts if packet.pts is not None else packet.dts
        if packet.size == 0 or time is None:
            count += packet.size > 0 and packet.stream.index == stream.index
            continue
        last_s = max(last_s, float((time + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index == stream.index and not packet.is_discard:
            count += 1
            begin, end = min(begin, time), max(end, time + (packet.duration or 0))
    end = max(end, _stated_end(stream))
    stated_s = (container.duration or 0) / 1e6 + max(0, container.start_time or 0) / 1e6
    if stated_s - last_s > _MISSING_S:
        text = f"{shown(path)} ends early, after {last_s:.1f} of {stated_s:.1f} seconds: get it anew."
        raise TruncatedImageError(text)
    return (count, begin, end) if end > _NEVER else (count, 0, 0)


def _stated_end(stream: VideoStream) -> int:
    """When the stream ends by its header, in its own units; Matroska has it as a text, and no duration of frames."""
    if stream.duration is not None:
        return stream.duration + (stream.start_time or 0)
    text = next((value for name, value in stream.metadata.items() if name.lower() == "duration"), "")
    match = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", text)
    if match is None or stream.time_base is None:
        return _NEVER
    hours, minutes, seconds = (Fraction(part) for part in match.groups())
    return round((hours * 3600 + minutes * 60 + seconds) / stream.time_base)


def _has_alpha(frame: VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components)
