"""`tuft remove`: photographs and folders of them."""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tqdm import tqdm

import tuft
from tuft import contract, imaging
from tuft.batch import folder
from tuft.batch.manifest import Manifest
from tuft.cli import DONE, FAILED, add_command
from tuft.cli._arguments import add_server_options, positive
from tuft.cli._telling import complain, sentence
from tuft.client import Client
from tuft.concurrency import DEFAULT_CONCURRENCY
from tuft.cutout import require_fitting, resolve_background
from tuft.errors import OptionError, OutputError
from tuft.presets import REFINEMENTS
from tuft.report import Collector
from tuft.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft.cli import Commands
    from tuft.cutout import Cutout
    from tuft.imaging import compose

REPORT_NAME: Final = "report.html"
_BESIDE_THE_CUTOUTS: Final = Path()  # --report without a file


def add_to(commands: Commands) -> None:
    """Declares the command."""
    parser = add_command(commands, "remove", _run, "cut the subjects out of photographs")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="photograph, or folder of photographs")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT", help="folder, or file for one")
    add_server_options(parser)
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="what the server may take for a photograph")
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--size", type=int, choices=contract.SIZES, help="another working size of the network")
    network.add_argument("--model", metavar="NAME", help="another served model, see `tuft-export adopt`")
    parser.add_argument("--refine", choices=REFINEMENTS, help="another refinement")
    parser.add_argument("--background", metavar="WHAT", help="colour name, #rrggbb, picture, or blur; none by default")
    parser.add_argument("--format", choices=imaging.FORMATS, help="by default that of OUT's suffix, else png")
    parser.add_argument("--quality", type=_quality, metavar="1..100",
                        help="of JPEG; makes WebP smaller, its colours nearly right")  # fmt: skip
    parser.add_argument("--concurrency", type=positive, default=DEFAULT_CONCURRENCY, metavar="N",
                        help="photographs worked on at once, %(default)s by default")  # fmt: skip
    done = parser.add_mutually_exclusive_group()
    done.add_argument("--again", action="store_true",
                      help="do also what an earlier run has done with the same photographs and options")  # fmt: skip
    done.add_argument("--skip-existing", action="store_true",
                      help="leave out what is in OUT already, whatever it was made of")  # fmt: skip
    parser.add_argument("--report", type=_html_file, nargs="?", const=_BESIDE_THE_CUTOUTS, metavar="FILE",
                        help=f"write a page that shows every cut-out, {REPORT_NAME} in OUT by default; "
                             "what an earlier run has done is done again for it")  # fmt: skip


def _run(arguments: argparse.Namespace) -> int:
    background = None if arguments.background is None else resolve_background(arguments.background)
    jobs = folder.plan(arguments.paths, arguments.output, format=arguments.format)
    for job in jobs[:1]:  # all have the same format
        require_fitting(arguments.format or imaging.format_from_path(job.target), background)
    if arguments.skip_existing:
        jobs = tuple(job for job in jobs if not job.target.exists())
    collector = _collector(arguments, jobs)
    settings = load_settings(arguments.config, url=arguments.url, preset=arguments.preset, timeout_s=arguments.timeout)
    with Client(settings=settings) as client:
        # One line if nobody answers, or not that model, and not one for each photograph.
        client.transport.server_info()
        if arguments.model is not None:
            client.transport.model_size(arguments.model, timeout_s=client.settings.timeout_s)
        folder.remove_leftovers(jobs)
        work = folder.resumable(
            partial(_cut_out, client, arguments, background, collector),
            None if folder.names_a_file(arguments.output) else Manifest(arguments.output),
            options=_digest(client.settings.preset, arguments, background),
            again=arguments.again or collector is not None,
        )
        with tqdm(total=len(jobs), unit="photo", disable=None) as bar:
            tell = partial(_tell, bar, collector)
            report = folder.run(jobs, work, concurrency=arguments.concurrency, on_outcome=tell)
    print(_summary(report, arguments.output))
    if collector is not None:
        _make_folder(collector.file.parent)
        collector.write()
        print(f"The page that shows them is {collector.file}")
    return DONE if report else FAILED


def _cut_out(
    client: Client,
    arguments: argparse.Namespace,
    background: compose.Background | None,
    collector: Collector | None,
    job: folder.Job,
) -> Cutout:
    """One cut-out, made and written."""
    cutout = client.remove(job.source, size=arguments.size, model=arguments.model, refine=arguments.refine)
    _make_folder(job.target.parent)
    began_s = time.perf_counter()
    encoding = {} if arguments.quality is None else {"lossless": False, "quality": arguments.quality}
    cutout.save(job.target, background=background, format=arguments.format, **encoding)
    if collector is not None:
        collector.add(job.source, job.target, cutout, encode_ms=(time.perf_counter() - began_s) * 1e3)
    return cutout


def _digest(preset: str, arguments: argparse.Namespace, background: compose.Background | None) -> str:
    """What makes the cut-outs of two runs the same if photographs and names are, as a line of hexadecimal digits."""
    behind: object = background
    if isinstance(background, np.ndarray):
        behind = [background.shape, hashlib.sha256(background.data).hexdigest()]
    options = [preset, arguments.size, arguments.model, arguments.refine, behind, arguments.quality]
    return hashlib.sha256(json.dumps([tuft.__version__, *options]).encode()).hexdigest()


def _tell(bar: tqdm[Any], collector: Collector | None, outcome: folder.Outcome) -> None:
    bar.update()
    if outcome.error is not None:
        line = sentence(outcome.error, about=str(outcome.job.source))
        complain(line)
        if collector is not None:
            collector.fail(outcome.job.source, outcome.job.target, line)


def _collector(arguments: argparse.Namespace, jobs: Sequence[folder.Job]) -> Collector | None:
    """What gathers the report that is asked for; its place is checked before any photograph is sent."""
    if arguments.report is None:
        return None
    beside = arguments.output.parent if folder.names_a_file(arguments.output) else arguments.output
    file: Path = beside / REPORT_NAME if arguments.report is _BESIDE_THE_CUTOUTS else arguments.report
    if file.is_dir():
        raise OptionError(f"{file} is a folder: give --report a file that ends in .html.")
    return Collector(file, [job.target for job in jobs])


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"The folder {path} cannot be made ({exc.strerror}): give another output.") from exc


def _summary(report: folder.Report, output: Path) -> str:
    done = len(report.outcomes) - len(report.failures)
    text = f"{done} of {len(report.outcomes)} photographs cut out into {output}"
    if report.earlier:
        text += f", {len(report.earlier)} by an earlier run (--again does them anew)"
    if report.fallbacks:
        text += f", {len(report.fallbacks)} by a smaller preset"
    return text


def _quality(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"there is no quality {text!r}: choose one from 1 to 100")
    return int(text)


def _html_file(text: str) -> Path:
    """Only a page is ever overwritten: `--report dog.jpg` names the photograph to cut out."""
    path = Path(text)
    if path.suffix.lower() not in (".html", ".htm"):
        raise argparse.ArgumentTypeError(f"{text} does not end in .html: put photographs before --report")
    return path
