"""`tuft remove`: cuts the subjects out of photographs and folders of photographs."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tqdm import tqdm

import tuft
from tuft import contract, imaging
from tuft.background import require_fitting, resolve_background
from tuft.batch import folder
from tuft.batch.inputs import Input, image_from, input_from
from tuft.batch.manifest import Manifest
from tuft.batch.own_outputs import OwnOutputs
from tuft.batch.plan import STDOUT, Job, Plan, format_of, plan
from tuft.cli import _videos
from tuft.cli._animations import animation_format_of, save_animation
from tuft.cli._output import Output, add_output_options
from tuft.cli._prompt import add_prompt_options, prompt_of
from tuft.cli._shared import (
    DONE,
    FAILED,
    add_command,
    add_server_options,
    error_line,
    positive,
    print_error,
    settings_of,
)
from tuft.cli._watch import watch
from tuft.client import Client
from tuft.concurrency import DEFAULT_CONCURRENCY
from tuft.errors import ModelUnavailableError, OptionError
from tuft.files import descriptor_of, make_folder, require_writable
from tuft.inference.transport.connect import transport_name
from tuft.models import pulling
from tuft.presets import REFINEMENTS
from tuft.report import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuft.animation import CutoutAnimation
    from tuft.cli._shared import Commands
    from tuft.cutout import Cutout
    from tuft.imaging import compose
    from tuft.options import RemoveOptions

REPORT_NAME: Final = "report.html"
STDOUT_DESCRIPTOR: Final = 1
_BESIDE_THE_CUTOUTS: Final = Path()  # --report without a file


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "remove", _run, "cut the subjects out of photographs and videos")
    parser.set_defaults(usage_error=parser.error)
    parser.add_argument("paths", nargs="+", type=_input, metavar="PATH",
                        help="photograph, folder of photographs, video, http(s) URL, or - for the standard "
                             "input")  # fmt: skip
    parser.add_argument("-o", "--output", type=_output, metavar="OUT",
                        help="folder (write it with / at its end if it has a suffix), file for one, or - for the "
                             "standard output; by default NAME-cutout.png beside each photograph")  # fmt: skip
    add_server_options(parser)
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="time that the server may take for a photograph"
    )
    network = parser.add_mutually_exclusive_group()
    network.add_argument(
        "--size", type=int, choices=contract.SIZES, help="working size of the network instead of the preset's"
    )
    network.add_argument("--model", metavar="NAME", help="served model instead of the preset's, see `tuft models`")
    parser.add_argument("--refine", choices=REFINEMENTS, help="refinement instead of the preset's")
    add_prompt_options(parser)
    add_output_options(parser)
    parser.add_argument("--background", metavar="WHAT", help="colour name, #rrggbb, picture, or blur; none by default")
    parser.add_argument(
        "--format", type=_format, choices=(*imaging.FORMATS, "gif", *_videos.FORMATS),
        help="by default that of OUT's suffix, else png, and webm for videos"
    )  # fmt: skip
    parser.add_argument("--all-frames", action="store_true",
                        help="cut out every frame of GIF, APNG, WebP and AVIF animations, and write them as "
                             "animated webp (by default), png or gif")  # fmt: skip
    parser.add_argument("--quality", type=_quality, metavar="1..100",
                        help="of JPEG; makes WebP smaller and its colours inexact")  # fmt: skip
    parser.add_argument("--keep-metadata", action="store_true",
                        help="keep camera, time, place, author and rights from the photograph's EXIF, "
                             "and embed a profile that says sRGB")  # fmt: skip
    parser.add_argument("--concurrency", type=positive, default=DEFAULT_CONCURRENCY, metavar="N",
                        help="photographs worked on at once, %(default)s by default")  # fmt: skip
    done = parser.add_mutually_exclusive_group()
    done.add_argument("--again", action="store_true",
                      help="process photographs again that an earlier run has done with the same options")  # fmt: skip
    done.add_argument("--skip-existing", action="store_true",
                      help="skip photographs whose cut-out exists in OUT, whatever its options")  # fmt: skip
    parser.add_argument("--watch", action="store_true",
                        help="go on, and cut out what arrives in the folders, until Ctrl-C or SIGTERM")  # fmt: skip
    _videos.add_options(parser)
    parser.add_argument("--report", type=_html_file, nargs="?", const=_BESIDE_THE_CUTOUTS, metavar="FILE",
                        help=f"write a page that shows every cut-out, {REPORT_NAME} in OUT by default; "
                             "photographs that an earlier run has done are processed again")  # fmt: skip


def _run(arguments: argparse.Namespace) -> int:
    if _videos.are_asked(arguments):
        return _videos.run(arguments, _options(arguments), _require_served)
    _videos.refuse_options(arguments)
    if arguments.all_frames:
        arguments.format = animation_format_of(arguments)
    elif arguments.format == "gif":
        arguments.usage_error("argument --format: gif is for animations: choose png or webp, or add --all-frames")
    background = None if arguments.background is None else resolve_background(arguments.background)
    output = Output.from_arguments(arguments)
    planned = _plan(arguments)
    jobs = _jobs(planned, arguments, background)
    collector = _collector(arguments, planned, jobs)
    manifest = None if planned.folder is None else Manifest(planned.folder)
    written = [job.target for job in jobs]
    require_writable([*written, *(one.file for one in (manifest, collector) if one is not None)])
    settings = settings_of(arguments, timeout_s=arguments.timeout)
    if arguments.keep_metadata and settings.isolate_decoding:
        raise OptionError("--keep-metadata reads files in this process: leave it out, or isolate_decoding.")
    with Client.from_settings(settings) as client:
        _require_served(client, arguments.model)
        folder.remove_leftovers(jobs)
        save = partial(_save, output=output, background=background, format=arguments.format, quality=arguments.quality)
        cut_out = partial(_cut_out, client, _options(arguments), save, collector, keep_metadata=arguments.keep_metadata)
        if arguments.all_frames:
            saved = {"output": output, "background": background, "format": arguments.format}
            save_all = partial(save_animation, **saved, quality=arguments.quality)
            cut_out = partial(_cut_out_frames, client, _options(arguments), save_all)
        work = folder.resumable(
            cut_out,
            manifest,
            options=_digest(client.settings.preset, arguments, output, background),
            again=arguments.again or collector is not None,
        )
        if arguments.watch:
            return watch(partial(_arrivals, arguments), work, concurrency=arguments.concurrency)
        report = _run_all(jobs, work, collector, concurrency=arguments.concurrency)
    if STDOUT not in written:
        print(_summary(report, planned, arguments.output))
    if collector is not None:
        make_folder(collector.file.parent)
        collector.write()
        print(f"The page that shows them is {collector.file}")
    return DONE if report else FAILED


def _plan(arguments: argparse.Namespace, watching: OwnOutputs | None = None) -> Plan:
    """What is read and written.

    Raises:
        OptionError: The arguments do not fit together.
    """
    if arguments.watch and not any(isinstance(path, Path) and path.is_dir() for path in arguments.paths):
        raise OptionError("There is no folder to watch: give one, or leave --watch out.")
    if arguments.watch and not all(isinstance(path, Path) for path in arguments.paths):
        raise OptionError("Only folders and files can be watched: leave URLs and - out, or --watch.")
    if arguments.watch and arguments.report is not None:
        raise OptionError("A report is written at the end of a run, and --watch has none: leave one of them out.")
    text = arguments.output
    output = None if text is None else Path(text)
    if output is not None and (text == "-" or descriptor_of(output) == STDOUT_DESCRIPTOR):
        output = STDOUT
    is_folder = text is not None and text.endswith(("/", os.sep))
    if arguments.watch and watching is None:
        watching = OwnOutputs()
    return plan(arguments.paths, output, format=arguments.format, is_folder=is_folder, watching=watching)


def _options(arguments: argparse.Namespace) -> RemoveOptions:
    return {
        "size": arguments.size,
        "model": arguments.model,
        "refine": arguments.refine,
        "roi": arguments.roi,
        "prompt": prompt_of(arguments),
    }


def _jobs(planned: Plan, arguments: argparse.Namespace, background: compose.Background | None) -> tuple[Job, ...]:
    """The photographs to cut out; with --watch they are found later.

    Raises:
        OptionError: Background and format do not fit together, or a terminal is to show a cut-out.
    """
    for job in planned.jobs[:1]:  # all have the same format
        format = "webp" if arguments.all_frames else format_of(job.target, arguments.format)
        require_fitting(format, background, arguments.output_type)
        if job.target == STDOUT and sys.stdout.isatty():
            raise OptionError("A cut-out is no text for a terminal: give -o a file, or redirect the output.")
    if arguments.watch:
        return ()
    return _not_skipped(planned, arguments)


def _not_skipped(planned: Plan, arguments: argparse.Namespace) -> tuple[Job, ...]:
    return tuple(job for job in planned.jobs if not (arguments.skip_existing and job.target.is_file()))


def _arrivals(arguments: argparse.Namespace, watching: OwnOutputs) -> Plan:
    planned = _plan(arguments, watching)
    return replace(planned, jobs=_not_skipped(planned, arguments))


def _require_served(client: Client, model: str | None) -> None:
    """Fails once if the server or the model is missing, instead of once for each photograph."""
    client.transport.server_info()
    if model is not None:
        try:
            client.transport.model_size(model, timeout_s=client.settings.timeout_s)
        except ModelUnavailableError as exc:
            remedy = pulling(model)
            if remedy is None or transport_name(client.settings.url) is not None:  # that one says so itself
                raise
            raise ModelUnavailableError(f"This server has no {model}: {remedy}") from exc


def _run_all(
    jobs: Sequence[Job],
    work: Callable[[Job], folder.Outcome],
    collector: Collector | None,
    *,
    concurrency: int,
) -> folder.Report:
    """Runs `work` on each job; shows progress, and prints and collects the failures."""
    with tqdm(total=len(jobs), unit="photo", disable=None) as bar:

        def on_outcome(outcome: folder.Outcome) -> None:
            bar.update()
            if outcome.error is not None:
                if outcome.job.target == STDOUT and isinstance(outcome.error.__cause__, BrokenPipeError):
                    raise outcome.error.__cause__  # the reader has seen enough
                line = error_line(outcome.error, subject=str(outcome.job.source))
                print_error(line)
                if collector is not None:
                    collector.fail(outcome.job.source, outcome.job.target, line)

        return folder.run(jobs, work, concurrency=concurrency, on_outcome=on_outcome)


def _cut_out(
    client: Client,
    options: RemoveOptions,
    save: Callable[[Cutout, Path, bytes | None], None],
    collector: Collector | None,
    job: Job,
    *,
    keep_metadata: bool,
) -> Cutout:
    """Makes one cut-out and writes it."""
    image = image_from(job.source, max_bytes=client.settings.max_bytes)
    cutout = client.remove(image, **options)
    limits = {"max_pixels": client.settings.max_pixels, "max_bytes": client.settings.max_bytes}
    exif = imaging.read_exif(image, **limits) if keep_metadata else None
    if job.target != STDOUT:
        make_folder(job.target.parent)
    began_s = time.perf_counter()
    save(cutout, job.target, exif)
    if collector is not None:
        collector.add(job.source, job.target, cutout, encode_ms=(time.perf_counter() - began_s) * 1e3)
    return cutout


def _cut_out_frames(
    client: Client, options: RemoveOptions, save: Callable[[CutoutAnimation, Path], None], job: Job
) -> Cutout:
    """Makes the cut-outs of one animation and writes them; returns the first."""
    image = image_from(job.source, max_bytes=client.settings.max_bytes)
    animation = client.remove_frames(image, **options)
    if job.target != STDOUT:
        make_folder(job.target.parent)
    save(animation, job.target)
    return animation.cutouts[0]


def _save(
    cutout: Cutout,
    target: Path,
    exif: bytes | None,
    *,
    output: Output,
    background: compose.Background | None,
    format: str | None,
    quality: int | None,
) -> None:
    encoding: dict[str, Any] = {"exif": exif, "output_type": output.output_type}
    if quality is not None:
        encoding |= {"lossless": False, "quality": quality}
    destination = sys.stdout.buffer if target == STDOUT else target
    format = format_of(target, format)
    output.apply(cutout).save(destination, background=background, format=format, **encoding)


def _digest(preset: str, arguments: argparse.Namespace, output: Output, background: compose.Background | None) -> str:
    """SHA-256 of everything but photograph and file name that a cut-out depends on, in hexadecimal."""
    behind: object = background
    if isinstance(background, np.ndarray):
        behind = [background.shape, hashlib.sha256(background.data).hexdigest()]
    chosen = {**_options(arguments), "prompt": repr(prompt_of(arguments))}
    options = [preset, *chosen.values(), *output.values, behind, arguments.quality]
    options += [arguments.keep_metadata, arguments.all_frames]
    return hashlib.sha256(json.dumps([tuft.__version__, *options]).encode()).hexdigest()


def _collector(arguments: argparse.Namespace, planned: Plan, jobs: Sequence[Job]) -> Collector | None:
    """Collects the report if one is asked for."""
    if arguments.report is None:
        return None
    beside = planned.folder or (planned.jobs[0].target.parent if planned.jobs else Path())
    if arguments.report is _BESIDE_THE_CUTOUTS and any(job.target == STDOUT for job in jobs):
        raise OptionError("There is no folder for the report: give --report a file that ends in .html.")
    file: Path = beside / REPORT_NAME if arguments.report is _BESIDE_THE_CUTOUTS else arguments.report
    return Collector(file, [job.target for job in jobs])


def _summary(report: folder.Report, planned: Plan, output: str | None) -> str:
    done = len(report.outcomes) - len(report.failures)
    where = f"into {planned.folder or output}" if output is not None else "beside the photographs"
    if output is None and len(planned.jobs) == 1:
        where = f"into {planned.jobs[0].target}"
    text = f"{done} of {len(report.outcomes) + report.dropped} photographs cut out {where}"
    if skipped := len(planned.jobs) - len(report.outcomes) - report.dropped:
        text += f", {skipped} skipped (--skip-existing)"
    if report.earlier:
        text += f", {len(report.earlier)} by an earlier run (--again does them anew)"
    if report.fallbacks:
        text += f", {len(report.fallbacks)} by a smaller preset"
    if planned.left_out:
        count = len(planned.left_out)
        text += f"; {count} cut-out{'s' if count > 1 else ''} of earlier runs left out"
    if report.dropped:
        text += f"; stopped, as nothing more can be written, with {report.dropped} to go"
    return text


def _input(text: str) -> Input:
    try:
        return input_from(text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _output(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("is empty: write . for the folder that you are in")
    return text


def _format(text: str) -> str:
    """Parses a format; argparse names the choices if there is no such."""
    try:
        return imaging.format_from_name(text)
    except OptionError:
        return text


def _quality(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"there is no quality {text!r}: choose one from 1 to 100")
    return int(text)


def _html_file(text: str) -> Path:
    """Parses the path of a page: after `--report dog.jpg` the photograph would be overwritten."""
    path = Path(text)
    if path.suffix.lower() not in (".html", ".htm"):
        raise argparse.ArgumentTypeError(f"{text} does not end in .html: put photographs before --report")
    return path
