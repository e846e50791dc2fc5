"""What stands behind the subject of a video: a colour, a picture, the blurred background, or another video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuft.background import resolve_background
from tuft.batch.inputs import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Generator

    from tuft.background import Background
    from tuft.batch.video.readers import Reader
    from tuft.batch.video.reading import Frame
    from tuft.imaging import compose


class Backdrop:
    """A background over time.

    Args:
        background: As for `tuft.Cutout.over`, or a path to a video, which begins anew when it ends.
        reader: Reads that video.
        max_pixels: The largest width × height of its frames.

    Raises:
        OptionError: There is no such colour.
        ImageError: The picture or the video cannot be used; the class says why.
    """

    def __init__(self, background: Background, reader: Reader, *, max_pixels: int) -> None:
        self._still: compose.Background | None = None
        if not _is_video(background):
            self._still = resolve_background(background)
            return
        self._reader = reader
        self._clip = reader.examine(Path(background), max_pixels=max_pixels)  # type: ignore[arg-type]
        self._frames: Generator[Frame, None, None] = reader.frames(self._clip)
        self._frame = next(self._frames)
        self._round = 0
        self._round_s = max(0.001, float(self._clip.end * self._clip.time_base))

    @property
    def is_translucent(self) -> bool:
        """Whether something shines through."""
        return isinstance(self._still, tuple) and len(self._still) == 4

    def at(self, time_s: float) -> compose.Background:
        """What is behind the subject at a time, which must not go back, for `tuft.Cutout.over`."""
        if self._still is not None:
            return self._still
        number, within_s = divmod(time_s, self._round_s)
        if number > self._round:
            self._frames.close()
            self._frames, self._round = self._reader.frames(self._clip), int(number)
            self._frame = next(self._frames)
        while float((self._frame.time + self._frame.duration) * self._clip.time_base) <= within_s:
            following = next(self._frames, None)
            if following is None:
                break
            self._frame = following
        return self._frame.pixels[..., :3]

    def close(self) -> None:
        """Closes the video."""
        if self._still is None:
            self._frames.close()


def _is_video(background: Background) -> bool:
    if not isinstance(background, str | Path):
        return False
    return Path(background).suffix.lower() in VIDEO_SUFFIXES
