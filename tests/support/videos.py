"""Makes small videos with PyAV: a red square that moves over a blue background, and a tone that begins with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BACKGROUND, SUBJECT = (20, 40, 160), (220, 60, 40)
MILLISECOND, AT_25 = Fraction(1, 1000), Fraction(1, 25)


def saliency(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The output of a perfect network for (S, S, 3) uint8."""
    way = np.subtract(SUBJECT, BACKGROUND, dtype=np.float64)
    return np.clip((image - np.float64(BACKGROUND)) @ way / (way @ way), 0, 1).astype(np.float32)


def left_edge(index: int, step: int = 2) -> int:
    """Where the square begins in the frame `index`."""
    return 4 + step * index


def picture(index: int, size_hw: tuple[int, int], *, side: int = 16, step: int = 2) -> NDArray[np.uint8]:
    """The frame `index`."""
    pixels = np.empty((*size_hw, 3), np.uint8)
    pixels[:] = BACKGROUND
    top, left = size_hw[0] // 2 - side // 2, left_edge(index, step)
    pixels[top : top + side, left : left + side] = SUBJECT
    return pixels


@dataclass(frozen=True)
class Video:
    """What a video is made of.

    Attributes:
        times_ms: When each frame is shown.
        size_hw: Height and width.
        codec: Of the frames.
        pixel_format: Of the codec.
        sound: Codec of the sound; None for none.
        layout: Of its channels.
        sound_s: Its length; by default that of the frames.
        rotation: Degrees counter-clockwise that a player has to turn it by.
        colours: Matrix, range, primaries and transfer in FFmpeg's numbers.
        container: FFmpeg's muxer; by default by the suffix.
        start_ms: Is added to all times.
        time_base: Seconds of one unit of the frames' times.
        options: Of the encoder.
        frames: The pictures, by default those of `picture`.
    """

    times_ms: Sequence[int] = tuple(range(0, 400, 40))
    size_hw: tuple[int, int] = (48, 64)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    sound: str | None = "aac"
    layout: str = "stereo"
    sound_s: float | None = None
    rotation: int = 0
    colours: tuple[int, int, int, int] | None = None
    container: str | None = None
    start_ms: int = 0
    time_base: Fraction = MILLISECOND
    options: dict[str, str] = field(default_factory=dict)
    frames: Sequence[NDArray[np.uint8]] | None = None

    def write(self, path: Path) -> Path:
        """Writes it to `path`."""
        with av.open(str(path), "w", format=self.container) as output:
            frames = self._add_frames(output)
            sound = None if self.sound is None else self._add_sound(output)
            for index, time_ms in enumerate(self.times_ms):
                pixels = picture(index, self.size_hw) if self.frames is None else self.frames[index]
                output.mux(frames.encode(self._frame(pixels, time_ms + self.start_ms)))
            output.mux(frames.encode(None))
            if sound is not None:
                self._write_tone(output, sound)
        return path

    def _add_frames(self, output: Any) -> Any:
        stream = output.add_stream(self.codec, rate=25, options=self.options)
        stream.height, stream.width = self.size_hw
        stream.pix_fmt = self.pixel_format
        stream.time_base = stream.codec_context.time_base = self.time_base
        if self.rotation:
            stream.set_display_rotation(self.rotation)
        if self.colours:
            context = stream.codec_context
            context.colorspace, context.color_range, context.color_primaries, context.color_trc = self.colours
        return stream

    def _frame(self, pixels: NDArray[np.uint8], time_ms: int) -> Any:
        frame = av.VideoFrame.from_ndarray(pixels, "rgba" if pixels.shape[2] == 4 else "rgb24")
        matrix, range_ = (None, None) if self.colours is None else self.colours[:2]
        frame = frame.reformat(format=self.pixel_format, dst_colorspace=matrix, dst_color_range=range_)
        if self.colours:
            frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = self.colours
        frame.pts, frame.time_base = round(time_ms * MILLISECOND / self.time_base), self.time_base
        return frame

    def _add_sound(self, output: Any) -> Any:
        stream = output.add_stream(self.sound, rate=48_000)
        stream.codec_context.layout = self.layout
        return stream

    def _write_tone(self, output: Any, stream: Any) -> None:
        seconds = (self.times_ms[-1] + 40) / 1000 if self.sound_s is None else self.sound_s
        samples = np.arange(round(seconds * 48_000)) / 48_000
        tone = (0.3 * np.sin(2 * np.pi * 440 * samples)).astype(np.float32)
        channels = stream.codec_context.layout.nb_channels
        for begin in range(0, len(tone), 1024):
            part = np.tile(tone[begin : begin + 1024], (channels, 1))
            frame = av.AudioFrame.from_ndarray(part, "fltp", self.layout)
            frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
            frame.pts = begin + self.start_ms * 48
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def with_edit_list(source: Path, target: Path, cut_ms: int) -> Path:
    """A copy whose packets begin before time 0, so that an edit list (`elst`) cuts off its beginning."""
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        streams = {stream.index: output.add_stream_from_template(stream) for stream in container.streams}
        for packet in container.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                cut = round(cut_ms * MILLISECOND / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - cut, packet.dts - cut, streams[packet.stream.index]
                output.mux(packet)
    assert b"elst" in target.read_bytes()
    return target


def sound_of(path: Path) -> NDArray[np.float32]:
    """The samples of the first audio stream, all channels mixed, from time 0 on, at 48 kHz."""
    resampler = av.AudioResampler("fltp", "mono", 48_000)
    parts, first = [], None
    with av.open(str(path)) as source:
        for frame in source.decode(audio=0):
            first = frame.time if first is None else first
            parts += [each.to_ndarray()[0] for each in resampler.resample(frame)]
    parts += [each.to_ndarray()[0] for each in resampler.resample(None)]
    silence = np.zeros(max(0, round((first or 0) * 48_000)), np.float32)
    return np.concatenate([silence, *parts])


def tone_extent_s(path: Path) -> tuple[float, float]:
    """When the tone of `path` begins and ends."""
    loud = np.flatnonzero(np.abs(sound_of(path)) > 0.05)
    return float(loud[0]) / 48_000, float(loud[-1]) / 48_000
