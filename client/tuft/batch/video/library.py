"""Opening videos with PyAV, and what its errors mean to the caller."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.errors import ImageNotFoundError, NotAnImageError, SetupError, TruncatedImageError
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from av.container import InputContainer

# FFmpeg's demuxers that may open a file. Playlists are not among them: they name other files and servers.
_DEMUXERS: Final = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "flv"),
    *("asf", "ogg", "mxf", "ivf", "nut", "gif", "apng", "h264", "hevc", "m4v", "yuv4mpegpipe", "dv"),
)
_OPTIONS: Final = {"protocol_whitelist": "file", "format_whitelist": ",".join(_DEMUXERS)}
# How files begin whose index may come last, and be missing where they end early.
_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")


def av() -> ModuleType:
    """The library PyAV.

    Raises:
        SetupError: It is not installed.
    """
    try:
        import av
    except ImportError as exc:
        raise SetupError("Videos are read and written with PyAV: pip install 'tuft-matting[video]'.") from exc
    return av


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The video in a file, which is detected from the content and not from the file's name.

    Raises:
        ImageNotFoundError: There is no such file.
        NotAnImageError: It is no video.
        TruncatedImageError: It is damaged or ends early.
    """
    library = av()
    _require_file(path)
    with decoding_errors(path):
        try:
            container = library.open(str(path), options=dict(_OPTIONS), metadata_errors="replace")
        except (library.error.InvalidDataError, library.error.EOFError, library.error.ArgumentError) as exc:
            raise _not_opened(path) from exc
    with container:
        yield container


@contextmanager
def decoding_errors(path: Path, at: str = "") -> Iterator[None]:
    """Converts the errors of PyAV while a video is read; `at` says where."""
    library = av()
    try:
        yield
    except library.error.FFmpegError as exc:
        reason = shown(exc.strerror or str(exc))
        raise TruncatedImageError(f"{shown(path)} is damaged or ends early{at} ({reason}): get it anew.") from exc


def _require_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise ImageNotFoundError(f"There is no file {shown(path)}: check the path.") from exc
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise NotAnImageError(f"{shown(path)} cannot be read ({reason}): check the path.") from exc
    if empty:
        raise TruncatedImageError(f"{shown(path)} is empty: get it anew.")


def _not_opened(path: Path) -> NotAnImageError | TruncatedImageError:
    with path.open("rb") as file:
        if file.read(8)[4:] in _BOXES:
            return TruncatedImageError(f"{shown(path)} is damaged or ends early: get it anew.")
    return NotAnImageError(f"{shown(path)} is no video that tuft reads: give MP4, MOV, MKV, WebM, AVI or MPEG.")
