"""Cuts the subject out of a whole video file, segment by segment, into another file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

import tuft
from tuft.background import require_type
from tuft.batch.video.backdrop import Backdrop
from tuft.batch.video.cutouts import Ways, cut_out
from tuft.batch.video.formats import INTERMEDIATE, VideoFormat, video_format
from tuft.batch.video.keyframes import KEY_EVERY
from tuft.batch.video.readers import reader_of
from tuft.batch.video.segments import STATE, Finished, Segments
from tuft.batch.video.steady import Past
from tuft.batch.video.writing import Look, SegmentWriter, join, stacked
from tuft.errors import ImageError, NoSubjectError, OptionError, OutputError
from tuft.files import cannot_be_written
from tuft.replacing import temporary_in
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuft.background import Background
    from tuft.batch.video.readers import Reader
    from tuft.batch.video.reading import Frame
    from tuft.client import Client
    from tuft.cutout import Cutout
    from tuft.imaging import compose

# Frames of a segment: a multiple of the distance of keyframes, so that a resumed run has the same ones.
SEGMENT_FRAMES: Final = 30 * KEY_EVERY
# A frame has a subject if it is as opaque somewhere.
_VISIBLE: Final = 128
# Frames that wait for the encoder.
_AHEAD: Final = 4


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """What a cut-out video looks like.

    Attributes:
        format: One of `tuft.batch.video.formats.FORMATS`; by default that of the file's name.
        background: Behind the subject, as for `tuft.Cutout.over`, or a path to another video; none by default.
        output_type: What is shown of each cut-out, see `tuft.Cutout.as_type`.
        quality: 1..100 of lossy formats.
        change: Is applied to each cut-out before.
    """

    format: str | None = None
    background: Background | None = None
    output_type: compose.OutputType = "cutout"
    quality: int | None = None
    change: Callable[[Cutout], Cutout] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class VideoReport:
    """What became of a video.

    Attributes:
        target: The file, or the folder of PNGs.
        frames: How many frames it has.
        resumed: How many of them an earlier run has done.
        subjects: In how many of them there is a subject.
        asked: How many requests the network has answered in this run.
        sound: Whether the source's sound is kept; None if it has none.
        tone_mapped: Whether its high dynamic range was reduced.
    """

    target: Path
    frames: int
    resumed: int
    subjects: int
    asked: int
    sound: bool | None
    tone_mapped: bool


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    client: Client,
    *,
    ways: Ways | None = None,
    appearance: Appearance | None = None,
    resume: bool = False,
    segment_frames: int | None = None,
    isolated: bool | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> VideoReport:
    """Cuts the subject out of every frame of a video, and writes it with its times and its sound.

    The file appears when it is complete. Until then, finished segments are in a hidden folder beside it; an
    interrupted run leaves them there, for another one with `resume`.

    Args:
        source: The video.
        target: The file to write, or the folder of PNGs.
        client: Asks the network.
        ways: How frames are cut out.
        appearance: What the video looks like.
        resume: Whether segments of an earlier run with the same source and options are taken over.
        segment_frames: The length of a segment; `SEGMENT_FRAMES` by default.
        isolated: Whether files are decoded in processes of their own; by default as the client's settings say.
        on_progress: Told after each frame how many are done, and about how many there are.

    Raises:
        ImageError: The video, or the background, cannot be used; the class says why.
        OptionError: The options do not go together.
        OutputError: The file cannot be written.
        ServerError: The server did not do it; the class says why.
        RequestCancelledError: It was cancelled.
    """
    reader = reader_of(isolated=client.settings.isolate_decoding if isolated is None else isolated)
    job = _Job(Path(source), Path(target), client, ways or Ways(), appearance or Appearance(), reader)
    return job.run(
        resume=resume, segment_frames=segment_frames or SEGMENT_FRAMES, on_progress=on_progress or (lambda *_: None)
    )


class _Job:
    def __init__(
        self, source: Path, target: Path, client: Client, ways: Ways, appearance: Appearance, reader: Reader
    ) -> None:
        self._target, self._client, self._ways, self._appearance = target, client, ways, appearance
        self._reader = reader
        self._format = video_format(target, appearance.format)
        _require_free(source, target, self._format)
        self._clip = reader.examine(source, max_pixels=client.settings.max_pixels)
        self._backdrop = _backdrop(appearance, reader, client.settings.max_pixels)
        self._translucent = _is_translucent(self._format, appearance, self._backdrop)

    def run(self, *, resume: bool, segment_frames: int, on_progress: Callable[[int, int], None]) -> VideoReport:
        segments = Segments(self._target, self._key(segment_frames), resume=resume)
        resumed = segments.frames
        try:
            asked = self._write_segments(segments, segment_frames, on_progress)
            if not segments.finished:
                raise NoSubjectError(f"{shown(self._clip.path)} has no frame: give another one.")
            if not segments.subjects:
                raise NoSubjectError(
                    f"Nothing stands out in any frame of {shown(self._clip.path)}: give one with a clear subject."
                )
            sound = self._join(segments)
        except (ImageError, OptionError):  # the same again would fail again
            segments.remove()
            raise
        except BaseException:
            segments.tidy()
            raise
        finally:
            if self._backdrop is not None:
                self._backdrop.close()
        segments.remove()
        return VideoReport(
            self._target, segments.frames, resumed, segments.subjects, asked,
            sound if self._clip.has_sound else None, self._clip.colours.hdr is not None,
        )  # fmt: skip

    def _write_segments(self, segments: Segments, segment_frames: int, on_progress: Callable[[int, int], None]) -> int:
        """Cuts out what is not done yet; returns the number of requests."""
        done = segments.frames
        past = _load_past(segments) if done else None
        asked, latest = 0, ""
        frames = self._reader.frames(self._clip, skip=done)
        with closing(frames), _Open(segments, self._look, segment_frames) as open_segment:
            with closing(cut_out(frames, self._client, self._ways, past)) as cutouts:
                for frame, cutout, past in cutouts:
                    asked += cutout.request_id not in ("", latest)  # tracked frames have that of their keyframe
                    latest = cutout.request_id
                    open_segment.add(frame, cutout, past, self._render)
                    on_progress(frame.index + 1, max(frame.index + 1, self._clip.frames))
            open_segment.finish()
        return asked

    def _render(self, frame: Frame, cutout: Cutout) -> NDArray[np.uint8]:
        """The pixels of a frame of the video: uint8 (H, W, 3) or (H, W, 4)."""
        appearance = self._appearance
        changed = cutout if appearance.change is None else appearance.change(cutout)
        if self._backdrop is not None:
            image = changed.over(self._backdrop.at(float(frame.time * self._clip.time_base)))
        else:
            image = changed.as_type(appearance.output_type)
        pixels = np.asarray(image)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        return stacked(pixels) if self._format.name == "stacked" else pixels

    def _look(self, size_hw: tuple[int, int], format: VideoFormat | None = None) -> Look:
        kept = INTERMEDIATE if self._format.whole else self._format
        return Look(self._clip, format or kept, self._translucent, self._appearance.quality, size_hw)

    def _join(self, segments: Segments) -> bool:
        """Makes the file of its segments, and gives it its name at the end."""
        final = Path(os.path.realpath(self._target))  # of a link the target is replaced
        temporary = temporary_in(final.parent)
        try:
            look = self._look(segments.finished[0].size_hw, self._format)
            sound = join(segments.parts, look, temporary, self._reader)
            if final.is_dir():
                final.rmdir()  # it is empty
            temporary.replace(final)
        except OSError as exc:
            raise cannot_be_written(self._target, exc) from exc
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)
        return sound

    def _key(self, segment_frames: int) -> str:
        """Identifies source and options: segments of other ones are not taken over."""
        status = self._clip.path.stat()
        source = [str(self._clip.path.absolute()), status.st_size, status.st_mtime_ns]
        ways, appearance = self._ways, self._appearance
        options = {name: repr(value) for name, value in ways.options.items() if name not in ("cancel", "timeout_s")}
        background = appearance.background
        if isinstance(background, np.ndarray):
            background = hashlib.sha256(background.tobytes()).hexdigest()
        values = [
            tuft.__version__, source, self._format.name, segment_frames, astuple(ways.resolved(self._client)),
            ways.steady, ways.fast, options, repr(background), appearance.output_type, appearance.quality,
            repr(getattr(appearance.change, "__self__", appearance.change)),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()


class _Open:
    """The segment that is being written, in a thread of its own: encoding overlaps with everything else."""

    def __init__(self, segments: Segments, look: Callable[[tuple[int, int]], Look], length: int) -> None:
        self._segments, self._make_look, self._length = segments, look, length
        self._thread = ThreadPoolExecutor(1, "tuft-encoder")
        self._waiting: deque[Future[None]] = deque()
        self._writer: SegmentWriter | None = None
        self._file: Path | None = None
        self._begin = self._frames = self._subjects = 0
        self._last: tuple[int, Past] | None = None
        self._size_hw = (0, 0)

    def __enter__(self) -> _Open:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        if self._writer is not None:
            self._writer.abandon()

    def add(
        self, frame: Frame, cutout: Cutout, past: Past, render: Callable[[Frame, Cutout], NDArray[np.uint8]]
    ) -> None:
        """Adds a frame; waits if too many are waiting."""
        self._waiting.append(self._thread.submit(self._add, frame, cutout, past, render))
        while len(self._waiting) > _AHEAD:
            self._waiting.popleft().result()

    def finish(self) -> None:
        """Completes the last segment."""
        self._waiting.append(self._thread.submit(self._complete))
        while self._waiting:
            self._waiting.popleft().result()

    def _add(
        self, frame: Frame, cutout: Cutout, past: Past, render: Callable[[Frame, Cutout], NDArray[np.uint8]]
    ) -> None:
        pixels = render(frame, cutout)
        if self._writer is None:
            self._size_hw = (pixels.shape[0], pixels.shape[1])
            look = self._make_look(self._size_hw)
            self._file, self._begin = self._segments.next_file(look.format), frame.time
            self._writer = SegmentWriter(self._file, look, frame.time)
        if pixels.shape[:2] != self._size_hw:
            raise OptionError("The frames of a video need one size: leave out what crops each on its own.")
        self._writer.add(pixels, frame.time, frame.duration)
        self._frames += 1
        self._subjects += bool(cutout.alpha.max() >= _VISIBLE)
        self._last = (frame.duration, past)
        if self._frames == self._length:
            self._complete()

    def _complete(self) -> None:
        if self._writer is None or self._last is None or self._file is None:
            return
        self._writer.close()
        duration, past = self._last
        _save_past(self._segments, past)
        self._segments.record(
            Finished(self._file.name, self._begin, duration, self._frames, self._subjects, self._size_hw)
        )
        self._writer, self._frames, self._subjects = None, 0, 0


def _save_past(segments: Segments, past: Past) -> None:
    file = segments.folder / STATE
    temporary = file.with_suffix(".part.npz")
    try:
        np.savez(temporary, photo=past.photo, alpha=past.alpha, steady=past.steady)
        temporary.replace(file.with_name(f"{len(segments.finished):06d}-{STATE}"))
        before = file.with_name(f"{len(segments.finished) - 2:06d}-{STATE}")
        before.unlink(missing_ok=True)
    except OSError as exc:
        raise cannot_be_written(file, exc) from exc


def _load_past(segments: Segments) -> Past | None:
    """What the next frame needs; None starts it as if there was a cut."""
    file = segments.folder / f"{len(segments.finished) - 1:06d}-{STATE}"
    try:
        with np.load(file) as arrays:
            return Past(arrays["photo"], arrays["alpha"], arrays["steady"])
    except (OSError, ValueError, KeyError):
        return None


def _require_free(source: Path, target: Path, format: VideoFormat) -> None:
    """Checks early what would be found late: where the video is to go.

    Raises:
        OptionError: It would replace its source.
        OutputError: A folder is missing, or in the way.
    """
    if target.is_file() and source.is_file() and target.samefile(source):
        raise OptionError(f"{shown(target)} would replace the video that it is made of: give another name.")
    folder = target.absolute().parent
    if not folder.is_dir():
        raise OutputError(f"There is no folder {shown(folder)}: make it, or give another one.")
    if format.name != "frames" and target.is_dir():
        raise OutputError(f"{shown(target)} is a folder: give the name of a file.")
    if format.name == "frames" and target.is_dir() and any(target.iterdir()):
        raise OutputError(f"{shown(target)} has files already: give a new folder for the frames.")


def _backdrop(appearance: Appearance, reader: Reader, max_pixels: int) -> Backdrop | None:
    """What stands behind the subject.

    Raises:
        OptionError: It does not go with the type.
        ImageError: It cannot be used.
    """
    require_type(appearance.output_type)
    if appearance.background is None:
        return None
    if appearance.output_type != "cutout":
        raise OptionError("A background goes behind a cut-out only: leave out the background or the type.")
    return Backdrop(appearance.background, reader, max_pixels=max_pixels)


def _is_translucent(format: VideoFormat, appearance: Appearance, backdrop: Backdrop | None) -> bool:
    """Whether frames have alpha.

    Raises:
        OptionError: The format has none.
    """
    opaque = appearance.output_type != "cutout" or (backdrop is not None and not backdrop.is_translucent)
    if format.name == "stacked":
        if opaque:
            raise OptionError("stacked shows colours and their matte: leave out the background and the type.")
        return False
    if opaque:
        return False
    if format.translucent is None:
        raise OptionError(
            "MP4 has no transparency: choose .webm, .mov or .mkv, give an opaque background, or choose the format "
            "stacked, which has the matte below the colours."
        )
    return True
