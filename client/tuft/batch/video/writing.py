"""Writes cut-out frames: a segment of a video, and the file that the segments become together with the sound."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from PIL import Image

from tuft.batch.video.colours import Colours
from tuft.batch.video.formats import INTERMEDIATE, VideoFormat
from tuft.batch.video.library import av, opened
from tuft.batch.video.sound import Sound
from tuft.files import cannot_be_written
from tuft.imaging.animation import palette_image
from tuft.imaging.refine.pull_push import pull_push

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from av.container import OutputContainer
    from av.packet import Packet
    from numpy.typing import NDArray

    from tuft.batch.video.readers import Reader
    from tuft.batch.video.reading import Clip

_DEFAULT_RATE: Final = Fraction(25)
_GIF_TIME_BASE: Final = Fraction(1, 100)
# Invisible pixels get colours on a grid of such cells.
_CELL: Final = 8
_FRAME_NAME: Final = "{:06d}.png"
SOUND_NAME: Final = "sound.mka"
TIMES_NAME: Final = "frames.ffconcat"


@dataclass(frozen=True)
class Look:
    """How the frames of a cut-out video are encoded.

    Attributes:
        clip: The source, which gives times and colours.
        format: Of the file.
        translucent: Whether there is alpha.
        quality: 1..100; None is the format's usual one.
        size_hw: Height and width of the frames in pixels.
    """

    clip: Clip
    format: VideoFormat
    translucent: bool
    quality: int | None
    size_hw: tuple[int, int]

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of the encoder's pixel format."""
        if self.translucent and self.format.translucent:
            return self.format.translucent
        return self.format.opaque

    @property
    def colours(self) -> Colours:
        """Matrix and range of the source, so that its colours stay what they are; those of tone-mapped HDR are new."""
        return Colours() if self.clip.colours.hdr else self.clip.colours

    @property
    def time_base(self) -> Fraction:
        """Seconds of one unit of time in the file."""
        return _GIF_TIME_BASE if self.format.name == "gif" else self.clip.time_base

    def options(self) -> dict[str, str]:
        """Of the encoder."""
        options = dict(self.format.options)
        if self.quality is not None and self.format.quality is not None:
            name, worst = self.format.quality
            options[name] = str(round(worst * (100 - self.quality) / 100))
        if self.format.name == "webp":
            exact = {"lossless": "1", "quality": "20"}
            options |= exact if self.quality is None else {"lossless": "0", "quality": str(self.quality)}
        return options

    def add_stream(self, output: OutputContainer) -> Any:
        """Adds the video stream to a file."""
        stream: Any = output.add_stream(self.format.codec, rate=self.clip.rate or _DEFAULT_RATE, options=self.options())
        context = stream.codec_context
        height, width = self.size_hw
        if self.format.even:
            height, width = height + height % 2, width + width % 2
        stream.width, stream.height, stream.pix_fmt = width, height, self.pixel_format
        context.time_base = stream.time_base = self.time_base
        context.sample_aspect_ratio = self.clip.pixel_aspect
        context.thread_type = "AUTO"
        colours = self.colours
        if self.pixel_format.startswith("yuv"):
            context.colorspace, context.color_range = colours.matrix, colours.range
            context.color_primaries, context.color_trc = colours.primaries, colours.transfer
        if self.translucent and self.format.container in ("webm", "matroska"):
            stream.metadata["alpha_mode"] = "1"
        return stream

    def frame(self, pixels: NDArray[np.uint8]) -> Any:
        """The frame for the encoder of pixels (H, W, 3) or (H, W, 4)."""
        height, width = pixels.shape[:2]
        if self.format.even and (height % 2 or width % 2):
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self.pixel_format == "pal8":
            return _palette_frame(pixels)
        if self.translucent and not self.format.lossless and self.format.name != "webp":
            pixels = with_colours_around(pixels)
        return self.colours.frame(pixels, self.pixel_format)


def with_colours_around(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The cut-out (H, W, 4) with the subject's colours continued where alpha is 0.

    Lossy encoders mix the colours of neighbours: with black around it, the subject's edge would darken.
    """
    alpha = rgba[..., 3]
    if not alpha.any() or alpha.all():
        return rgba
    height, width = alpha.shape
    grid_wh = (-(-width // _CELL), -(-height // _CELL))
    weight = alpha.astype(np.float32) / np.float32(255)
    colours = rgba[..., :3].astype(np.float32) * weight[..., None]
    cells = [*cv2.split(cv2.resize(colours, grid_wh, interpolation=cv2.INTER_AREA))]
    cells.append(cv2.resize(weight, grid_wh, interpolation=cv2.INTER_AREA))
    share = np.maximum(cells[3], np.float32(1e-6))
    filled = pull_push(np.stack([plane / share for plane in cells[:3]]), cells[3])
    smooth = cv2.resize(cv2.merge(list(filled)), (width, height), interpolation=cv2.INTER_LINEAR)
    around: NDArray[np.uint8] = cv2.convertScaleAbs(smooth)  # rounded, and within 0..255
    cv2.copyTo(rgba[..., :3], cv2.compare(alpha, 0, cv2.CMP_NE), around)
    return np.dstack([around, alpha])


def stacked(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colours (H, W, 4) above their matte: (2·H', W', 3), with H' and W' the next even numbers."""
    height, width = rgba.shape[:2]
    rgba = np.pad(rgba, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    rgba = with_colours_around(rgba)
    matte = np.repeat(rgba[..., 3:], 3, axis=2)
    return np.concatenate([rgba[..., :3], matte])


def _palette_frame(pixels: NDArray[np.uint8]) -> Any:
    image = palette_image(pixels)
    palette = np.zeros((256, 4), np.uint8)
    palette[:, 0] = 255  # of ARGB
    colours = np.array(image.getpalette() or [], np.uint8).reshape(-1, 3)
    palette[: len(colours), 1:] = colours
    if "transparency" in image.info:
        palette[image.info["transparency"]] = 0
    return av().VideoFrame.from_ndarray((np.asarray(image), palette), "pal8")


class SegmentWriter:
    """Writes one segment of a video; its times begin at 0.

    Args:
        path: Of the file.
        look: How the frames are encoded.
        begin: The time of its first frame, in units of the clip.
    """

    def __init__(self, path: Path, look: Look, begin: int) -> None:
        self._path, self._look, self._begin = path, look, begin
        self._encoder = _Encoder(path, look)

    def add(self, pixels: NDArray[np.uint8], time: int, duration: int) -> None:
        """Adds a frame, uint8 (H, W, 3) or (H, W, 4).

        Raises:
            OutputError: The file cannot be written.
        """
        self._encoder.add(pixels, time - self._begin, duration)

    def close(self) -> None:
        """Completes the file.

        Raises:
            OutputError: It cannot be written.
        """
        self._encoder.close()

    def abandon(self) -> None:
        """Closes the file as it is."""
        self._encoder.abandon()


class _Encoder:
    """A file with one video stream."""

    def __init__(self, path: Path, look: Look, container_options: dict[str, str] | None = None) -> None:
        self._path, self._look = path, look
        self._units = look.clip.time_base / look.time_base
        self._last = -1
        self._durations: dict[int, int] = {}
        with writing_errors(path):
            self._output = av().open(str(path), "w", format=look.format.container, options=container_options or {})
            self._stream = look.add_stream(self._output)

    def add(self, pixels: NDArray[np.uint8], time: int, duration: int) -> None:
        with writing_errors(self._path):
            frame = self._look.frame(pixels)
            self._last = max(round(time * self._units), self._last + 1)
            frame.pts, frame.time_base = self._last, self._look.time_base
            frame.duration = self._durations[self._last] = max(1, round(duration * self._units))
            self._mux(self._stream.encode(frame))

    def close(self) -> None:
        with writing_errors(self._path):
            self._mux(self._stream.encode(None))
            self._output.close()

    def abandon(self) -> None:
        with suppress(av().error.FFmpegError, OSError):  # of a full disk, which has been told
            self._output.close()

    def _mux(self, packets: Sequence[Packet[Any]]) -> None:
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._output.mux(packet)


@dataclass(frozen=True)
class Segment:
    """A finished segment.

    Attributes:
        path: Its file.
        begin: The time of its first frame, in units of the clip.
        last: The duration of its last frame.
    """

    path: Path
    begin: int
    last: int


def join(segments: Sequence[Segment], look: Look, target: Path, reader: Reader) -> bool:
    """Makes the file of a video of its segments and the clip's sound.

    Args:
        segments: All of them in their order.
        look: How the video is encoded.
        target: The file; a folder for the format `frames`.
        reader: Reads the clip's sound.

    Returns:
        Whether the sound of the clip, if it has any, is in it.

    Raises:
        OutputError: It cannot be written.
    """
    if look.format.name == "frames":
        _write_folder(segments, look, target, reader)
        return True
    if look.format.whole:
        _encode_whole(segments, look, target)
        return False
    _copy(segments, look, target, reader)
    return True


def _copy(segments: Sequence[Segment], look: Look, target: Path, reader: Reader) -> None:
    """Copies the packets of all segments and the sound into one file."""
    clip, format = look.clip, look.format
    options = {"movflags": "faststart"} if format.container == "mp4" else {}
    with writing_errors(target), ExitStack() as stack:
        output = stack.enter_context(av().open(str(target), "w", format=format.container, container_options=options))
        first = stack.enter_context(opened(segments[0].path))
        stream = output.add_stream_from_template(first.streams.video[0])
        stream.time_base = clip.time_base
        if look.translucent and format.container in ("webm", "matroska"):
            stream.metadata["alpha_mode"] = "1"
        sound = Sound(clip, stack.enter_context(reader.sound(clip)), output, format) if clip.has_sound else None
        for segment in segments:
            for packet in _segment_packets(segment, clip):
                if sound is not None:
                    sound.write_until(float((packet.dts or 0) * packet.time_base))
                packet.stream = stream
                output.mux(packet)
        if sound is not None:
            sound.write_rest()


def _segment_packets(segment: Segment, clip: Clip) -> Iterator[Packet[Any]]:
    """The packets of a segment with times since the clip's origin."""
    with opened(segment.path) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        shift = round(segment.begin * clip.time_base / stream.time_base)
        for packet in container.demux(stream):
            if packet.size and packet.dts is not None and packet.pts is not None:
                packet.pts += shift
                packet.dts += shift
                yield packet


def _segment_frames(segments: Sequence[Segment], clip: Clip) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Time and duration, in units of the clip, and pixels of each frame of the intermediate segments."""
    for segment in segments:
        with opened(segment.path) as container:
            stream = container.streams.video[0]
            for frame in container.decode(stream):
                assert stream.time_base is not None
                units = stream.time_base / clip.time_base
                pixels: Any = frame.to_ndarray(format="rgba" if frame.format.name == "bgra" else "rgb24")
                time, duration = (round((value or 0) * units) for value in (frame.pts, frame.duration))
                yield segment.begin + time, duration, pixels


def _encode_whole(segments: Sequence[Segment], look: Look, target: Path) -> None:
    last_s = segments[-1].last * look.clip.time_base
    options = {
        "webp": {"loop": "0"},
        "gif": {"loop": "0", "final_delay": str(round(last_s * 100))},
        "apng": {"plays": "0", "final_delay": f"{round(last_s * 1000)}/1000"},
    }
    encoder = _Encoder(target, look, options[look.format.container])
    try:
        for time, duration, pixels in _segment_frames(segments, look.clip):
            encoder.add(pixels, time, duration)
        encoder.close()
    except BaseException:
        encoder.abandon()
        raise
    if look.format.container == "webp":
        _set_last_duration(target, round(last_s * 1000))


def _set_last_duration(webp: Path, milliseconds: int) -> None:
    """Writes the duration of the last frame into an animated WebP, for which the encoder takes an average."""
    with writing_errors(webp), webp.open("r+b") as file:
        file.seek(12)
        place = 0
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"ANMF":
                place = file.tell() + 12  # after the frame's place and size, three bytes each
            file.seek(size + size % 2, 1)
        if place:
            file.seek(place)
            file.write(milliseconds.to_bytes(3, "little"))


def _write_folder(segments: Sequence[Segment], look: Look, target: Path, reader: Reader) -> None:
    """Writes numbered PNGs, their times as a script of FFmpeg's concat demuxer, and the sound."""
    lines = ["ffconcat version 1.0"]
    with writing_errors(target):
        target.mkdir()
        for number, (_, duration, pixels) in enumerate(_segment_frames(segments, look.clip), start=1):
            name = _FRAME_NAME.format(number)
            Image.fromarray(pixels).save(target / name, "PNG", compress_level=1)
            lines += [f"file {name}", f"duration {float(duration * look.clip.time_base):.6f}"]
        (target / TIMES_NAME).write_text("\n".join(lines) + "\n")
        if look.clip.has_sound:
            path = str(target / SOUND_NAME)
            with reader.sound(look.clip) as heard, av().open(path, "w", format="matroska") as output:
                Sound(look.clip, heard, output, INTERMEDIATE).write_rest()


class writing_errors:  # noqa: N801 - a context manager
    """Converts the errors of PyAV and of the file system while `path` is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, av().error.FFmpegError | OSError):
            raise cannot_be_written(self._path, error) from error
