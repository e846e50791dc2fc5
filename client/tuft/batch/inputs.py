"""What photographs are read from: files, folders, pipes, the standard input and addresses on the web."""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import unquote, urlsplit

from tuft import imaging
from tuft.batch.fetch import fetch
from tuft.batch.own_outputs import OwnOutputs
from tuft.errors import NotAnImageError, OptionError
from tuft.imaging.decoding.load import decoding_errors
from tuft.imaging.decoding.sources import opened
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from tuft.imaging import ImageSource

# Suffixes of photographs in folders; a file that is given by name may have any suffix.
SUFFIXES: Final = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".mpo", ".heic", ".heif"),
)
# Suffixes of pictures that tuft does not look for in folders. No other is taken off a name: Shot 2024.01.05 has none.
_OTHER_PICTURES: Final = (
    *(".apng", ".avifs", ".dib", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"),
    *(".jp2", ".j2k", ".jxl", ".tga", ".psd", ".ico", ".hif", ".heics", ".exr", ".hdr", ".svg", ".eps", ".pdf"),
)
PICTURE_SUFFIXES: Final = frozenset((*SUFFIXES, *_OTHER_PICTURES))
# Suffixes of videos.
VIDEO_SUFFIXES: Final = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv"),
        *(".asf", ".flv", ".3gp", ".3g2", ".ogv", ".mxf", ".y4m", ".vob", ".nut", ".ivf"),
    )
)

# The end of a cut-out's name that is written beside its photograph.
CUTOUT: Final = "-cutout"

_SCHEME: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://", re.IGNORECASE)


@dataclass(frozen=True)
class Url:
    """A photograph on the web.

    Attributes:
        address: Its address, http or https.
    """

    address: str

    @property
    def name(self) -> str:
        """The last part of its path, or its host."""
        parts = urlsplit(self.address)
        name = unquote(parts.path).rpartition("/")[2]
        usable = name not in ("", ".", "..") and name.isprintable()
        return name if usable else parts.hostname or "picture"

    def __str__(self) -> str:
        return shown(self.address)


@dataclass(frozen=True)
class StandardInput:
    """The photograph that is piped into this process."""

    name: str = "stdin"

    def __str__(self) -> str:
        return "The standard input"


Input: TypeAlias = Path | Url | StandardInput


def input_from(text: str) -> Input:
    """The input that a word on the command line means: a path, a URL, or `-` for the standard input.

    Raises:
        OptionError: It is empty, or a URL of another kind than http and https.
    """
    if not text:  # of a script's variable that is not set; Path would make it the working directory
        raise OptionError("An empty path is given: write . for the folder that you are in.")
    if text == "-":
        return StandardInput()
    match = _SCHEME.match(text)
    if match is None:
        return Path(text)
    if match["scheme"].lower() not in ("http", "https"):
        raise OptionError(f"tuft fetches only http and https, and not {shown(text)}: give a path, or such a URL.")
    try:
        host = urlsplit(text).hostname
    except ValueError:  # brackets of which one is missing
        host = None
    if not host:
        raise OptionError(f"{shown(text)} names no server: write it as https://example.com/dog.jpg.")
    return Url(text)


def image_from(source: Input, *, max_bytes: int) -> ImageSource:
    """What `tuft.Client.remove` takes for `source`, and takes twice: pipes are read, and URLs are fetched.

    Raises:
        ImageError: It cannot be had; the class tells why.
    """
    if isinstance(source, Url):
        return fetch(source.address, max_bytes=max_bytes)
    if isinstance(source, StandardInput):
        if sys.stdin is None or sys.stdin.isatty():
            raise NotAnImageError("Nothing is piped into tuft: give a path instead of -.")
        return _read(sys.stdin.buffer, str(source), max_bytes)
    return _read(source, str(source), max_bytes) if is_stream(source) else source


def _read(stream: BinaryIO | Path, name: str, max_bytes: int) -> bytes:
    with decoding_errors(name, imaging.MAX_PIXELS), opened(stream, max_bytes) as file:
        return file.read()


def is_stream(source: Input) -> bool:
    """Whether `source` can be read only once, or not from this machine's disks."""
    return not isinstance(source, Path) or (source.exists() and not source.is_file() and not source.is_dir())


def stem_of(name: str) -> str:
    """`name` without the suffix of a picture; dots that belong to the name stay."""
    path = Path(name)
    return path.stem if path.suffix.lower() in PICTURE_SUFFIXES else name


def photographs(
    inputs: Sequence[Input], output: Path | None, own: OwnOutputs, *, may_be_none: bool = False
) -> list[tuple[Input, Path]]:
    """Each photograph in `inputs` with its path relative to the input that it was found in, in order.

    In folders, hidden files, pipes, devices, links to folders, `output` and cut-outs of earlier runs are left out. A
    cut-out that is named itself is left out only if its photograph is named too.

    Args:
        inputs: Photographs and folders.
        output: The folder for cut-outs.
        own: Tells which files are cut-outs of earlier runs, and remembers those that were left out.
        may_be_none: Whether a folder may be without photographs.

    Raises:
        OptionError: An input does not exist, or a folder has no photograph.
    """
    pairs = [pair for given in inputs for pair in _in(given, output, own, may_be_none=may_be_none)]
    named = {os.path.abspath(source) for source, _ in pairs if isinstance(source, Path)}  # noqa: PTH100 - links stay
    stems = {(os.path.dirname(path), stem_of(os.path.basename(path))) for path in named}  # noqa: PTH119, PTH120
    kept, seen = [], set()
    for source, relative in pairs:
        if isinstance(source, Path) and (_is_beside(source, stems) or own.made_from(source, named)):
            own.leave_out(source)
            continue
        place = (source.resolve() if isinstance(source, Path) else source, relative)
        if place not in seen:  # given twice
            seen.add(place)
            kept.append((source, relative))
    return kept


def _is_beside(source: Path, stems: set[tuple[str, str]]) -> bool:
    """Whether `source` is, by its name, the cut-out that was written beside another one of the photographs."""
    stem = stem_of(source.name)
    parent = os.path.abspath(source.parent)  # noqa: PTH100 - links stay
    return stem.endswith(CUTOUT) and (parent, stem.removesuffix(CUTOUT)) in stems


def _in(given: Input, output: Path | None, own: OwnOutputs, *, may_be_none: bool) -> Iterator[tuple[Input, Path]]:
    if isinstance(given, Path) and given.is_dir():
        before = len(own.left_out)
        found = sorted(_below(given, None if output is None else output.resolve(), own))
        if not found and not may_be_none:
            raise _no_photograph(given, only_cutouts=len(own.left_out) > before)
        yield from ((file, file.relative_to(given)) for file in found)
    elif isinstance(given, Path) and not given.exists():
        raise OptionError(f"There is no file or folder {shown(given)}: check its name.")
    else:
        if isinstance(given, Path):
            own.read_above(given.parent)
        yield given, Path(given.name)


def _no_photograph(folder: Path, *, only_cutouts: bool) -> OptionError:
    if only_cutouts:
        return OptionError(f"{shown(folder)} has only cut-outs of earlier runs: name files to cut them out once more.")
    return OptionError(f"There is no photograph in {shown(folder)}: give a folder with pictures that tuft reads.")


def _below(folder: Path, output: Path | None, own: OwnOutputs) -> Iterator[Path]:
    own.read_above(folder.parent)
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        own.read(here)
        folders[:] = [name for name in folders if not name.startswith(".") and (here / name).resolve() != output]
        for name in files:
            if name.startswith(".") or Path(name).suffix.lower() not in SUFFIXES or _may_never_end(here / name):
                continue
            if here / name in own:
                own.leave_out(here / name)
            else:
                yield here / name


def _may_never_end(file: Path) -> bool:
    """Whether it is a pipe, a socket or a device."""
    try:
        return not stat.S_ISREG(file.stat().st_mode)
    except OSError:  # opening it tells why
        return False
