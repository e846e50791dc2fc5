"""What `tuft remove` does with videos: every frame is cut out, and written with its time and the sound."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tqdm import tqdm

from tuft.batch.inputs import CUTOUT, VIDEO_SUFFIXES, Input, StandardInput, Url
from tuft.batch.video.cutouts import Ways
from tuft.batch.video.formats import VIDEO_FORMATS, video_format
from tuft.batch.video.jobs import Appearance, VideoReport, convert
from tuft.batch.video.library import av
from tuft.batch.video.segments import frames_done
from tuft.cli._output import Output
from tuft.cli._shared import DONE, FAILED, error_line, print_error, settings_of
from tuft.client import Client
from tuft.errors import ImageError, NotAnImageError, OptionError
from tuft.files import make_folder, require_writable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuft.options import RemoveOptions

# Formats that only videos have, by which one is recognised.
FORMATS: Final = (*VIDEO_FORMATS, "stacked", "frames")
_DEFAULT: Final = "webm"
_STACKED: Final = "-stacked.mp4"
# What fits a single picture, or photographs that an earlier run has done.
_NOT_WITH_VIDEOS: Final = ("crop", "crop_margin", "position", "keep_metadata", "report", "watch", "again")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that only videos have."""
    parser.add_argument("--fast", action="store_true",
                        help="ask the network for a video's keyframes only, and track between them")  # fmt: skip
    parser.add_argument("--no-steady", action="store_true", help="cut out each frame of a video on its own")
    parser.add_argument("--resume", action="store_true",
                        help="go on where a run with the same video and options was interrupted")  # fmt: skip


def are_asked(arguments: argparse.Namespace) -> bool:
    """Whether the arguments name a video, or a format that only videos have."""
    if arguments.format in FORMATS or any(map(_is_video, arguments.paths)):
        return True
    suffix = Path(arguments.output or "").suffix.lower().removeprefix(".")
    return suffix in VIDEO_FORMATS


def refuse_options(arguments: argparse.Namespace) -> None:
    """Checks that photographs have none of the options of videos.

    Raises:
        OptionError: One is given.
    """
    for name in ("fast", "no_steady", "resume"):
        if getattr(arguments, name):
            raise OptionError(f"--{name.replace('_', '-')} is for videos: leave it out.")


def run(
    arguments: argparse.Namespace, options: RemoveOptions, require_served: Callable[[Client, str | None], None]
) -> int:
    """Cuts out the videos, one after the other; returns the exit code.

    Raises:
        OptionError: The arguments do not go together.
        TuftError: The server, the output or the only video cannot be used.
    """
    av()  # or the run would fail after the server was asked
    output = _output(arguments)
    jobs = _jobs(arguments)
    require_writable([target for _, target in jobs])
    failures = 0
    with Client.from_settings(settings_of(arguments, timeout_s=arguments.timeout)) as client, ExitStack() as stack:
        require_served(client, arguments.model)
        for source, target in jobs:
            if arguments.skip_existing and target.exists():
                continue
            try:
                report = _convert(_file_of(source, stack), target, client, arguments, output, options)
            except ImageError as error:
                failures += 1
                print_error(error_line(error, subject=str(source)))
            else:
                print(_summary(report))
    return FAILED if failures else DONE


def _convert(
    source: Path,
    target: Path,
    client: Client,
    arguments: argparse.Namespace,
    output: Output,
    options: RemoveOptions,
) -> VideoReport:
    ways = Ways(steady=not arguments.no_steady, fast=arguments.fast, concurrency=arguments.concurrency, options=options)
    appearance = Appearance(
        format=arguments.format,
        background=arguments.background,
        output_type=output.output_type,
        quality=arguments.quality,
        change=output.apply,
    )
    make_folder(target.parent)
    with tqdm(unit="frame", disable=None) as bar:

        def on_progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            return convert(
                source, target, client, ways=ways, appearance=appearance, resume=arguments.resume,
                on_progress=on_progress,
            )  # fmt: skip
        except BaseException:
            if done := frames_done(target):
                print_error(f"{done} frames are kept: run the same again with --resume to go on.")
            raise


def _output(arguments: argparse.Namespace) -> Output:
    """What becomes of each cut-out.

    Raises:
        OptionError: An option is for single pictures.
    """
    unfit = [name for name in _NOT_WITH_VIDEOS if getattr(arguments, name) not in (None, False)]
    if arguments.scale != "original":
        unfit.append("scale")
    if unfit:
        raise OptionError(f"--{unfit[0].replace('_', '-')} is not for videos: leave it out.")
    return Output.from_arguments(arguments)


def _jobs(arguments: argparse.Namespace) -> list[tuple[Input, Path]]:
    """Each video with the file that it becomes.

    Raises:
        OptionError: Videos and photographs are mixed, or several videos would become one file.
    """
    sources: list[Input] = arguments.paths
    for source in sources:
        if isinstance(source, Url):
            raise OptionError(f"A video is not fetched from the web: download {source}, and give the file.")
        if isinstance(source, Path) and source.is_dir():
            raise OptionError(f"{source} is a folder: give the videos in it by name, and photographs apart from them.")
    format = _DEFAULT if arguments.format is None else arguments.format
    output = arguments.output
    if output == "-":
        raise OptionError("A video is written to a file: give -o clip.webm.")
    if output is not None and not _is_folder(output, len(sources), arguments.format):
        video_format(Path(output), arguments.format)
        return [(sources[0], Path(output))]
    jobs = [(source, _target(source, output, format)) for source in sources]
    if len({target for _, target in jobs}) < len(jobs):
        raise OptionError("Two videos would become the same file: rename one of them.")
    return jobs


def _is_folder(output: str, videos: int, format: str | None) -> bool:
    """Whether the output is a folder of videos."""
    if videos > 1:
        return True
    if format == "frames":
        return False
    return output.endswith(("/", "\\")) or Path(output).is_dir() or not Path(output).suffix


def _target(source: Input, output: str | None, format: str) -> Path:
    name = "stdin" if isinstance(source, StandardInput) else Path(str(source)).stem
    end = {"stacked": _STACKED, "frames": ""}.get(format, f".{format}")
    if output is not None:
        return Path(output) / f"{name}{end}"
    folder = source.parent if isinstance(source, Path) else Path()
    return folder / f"{name}{CUTOUT}{end}"


def _file_of(source: Input, stack: ExitStack) -> Path:
    """The video's file; what is piped in is kept in a temporary one.

    Raises:
        NotAnImageError: Nothing is piped in.
    """
    if isinstance(source, Path):
        return source
    if sys.stdin is None or sys.stdin.isatty():
        raise NotAnImageError("Nothing is piped into tuft: give a path instead of -.")
    file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tuft-"))) / "stdin"
    with file.open("wb") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
    return file


def _is_video(source: Input) -> bool:
    return isinstance(source, Path) and source.suffix.lower() in VIDEO_SUFFIXES


def _summary(report: VideoReport) -> str:
    text = f"{report.frames} frame{'s' * (report.frames != 1)} cut out into {report.target}"
    if report.resumed:
        text += f", {report.resumed} by an earlier run"
    if report.subjects < report.frames:
        text += f", {report.frames - report.subjects} without a subject"
    if report.asked < report.frames - report.resumed - (report.frames - report.subjects):
        text += f", {report.asked} by the network"
    if report.sound is False:
        text += "; this format has no sound"
    if report.tone_mapped:
        text += "; its high dynamic range is reduced to the standard one"
    return text
