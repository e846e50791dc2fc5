"""The command line: arguments in, exit codes and lines of text out."""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tqdm import tqdm

import tuft
from tuft import contract, doctor, folder, images
from tuft.client import Client
from tuft.cutout import require_fitting, resolve_background
from tuft.demo import DemoOptions, demo
from tuft.errors import OptionError, OutputError, TuftError
from tuft.presets import PRESETS, REFINEMENTS
from tuft.report import Collector
from tuft.serve import RUNTIMES, ServeOptions, running_server, serve, shell_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuft.cutout import Cutout

    _Run = Callable[[argparse.Namespace], int]
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]

FAILED: Final = 1
# As the shell reports a program that SIGINT or SIGPIPE has ended.
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141

REPORT_NAME: Final = "report.html"
_BESIDE_THE_CUTOUTS: Final = Path()  # --report without a file


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The arguments; those of the process by default.

    Returns:
        0 if all went well, 1 if something failed, 130 after Ctrl-C.

    Raises:
        SystemExit: With 2 for arguments that make no sense, with 0 after `--help` and `--version`.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr does it: any file name can be shown
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        _complain("interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # What is still in the buffer must not be flushed at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:
        _complain(_sentence(error))
        return FAILED


def _complain(text: str) -> None:
    tqdm.write(f"tuft: {text}", file=sys.stderr)


def _sentence(error: Exception, about: str = "") -> str:
    """The error in one line that names what it is `about`; with TUFT_DEBUG also where it comes from, below."""
    text = " ".join(str(error).split())
    if not isinstance(error, TuftError):
        text = f"unexpected {type(error).__name__} ({text}): set TUFT_DEBUG=1 to see where, and report it."
    if about not in text:
        text = f"{about}: {text}"
    return f"{text}\n{''.join(traceback.format_exception(error))}" if os.environ.get("TUFT_DEBUG") else text


def _remove(arguments: argparse.Namespace) -> int:
    background = None if arguments.background is None else resolve_background(arguments.background)
    jobs = folder.plan(arguments.paths, arguments.output, format=arguments.format)
    for job in jobs[:1]:  # all have the same format
        require_fitting(arguments.format or images.format_from_path(job.target), background)
    if arguments.skip_existing:
        jobs = tuple(job for job in jobs if not job.target.exists())
    encoding = {} if arguments.quality is None else {"lossless": False, "quality": arguments.quality}
    collector = _collector(arguments, jobs)
    with Client(arguments.url, preset=arguments.preset, timeout_s=arguments.timeout) as client:
        # One line if nobody answers, or not that model, and not one for each photograph.
        client.transport.server_info()
        if arguments.model is not None:
            client.transport.model_size(arguments.model, timeout_s=client.settings.timeout_s)

        def work(job: folder.Job) -> Cutout:
            cutout = client.remove(job.source, size=arguments.size, model=arguments.model, refine=arguments.refine)
            _make_folder(job.target.parent)
            began_s = time.perf_counter()
            cutout.save(job.target, background=background, format=arguments.format, **encoding)
            if collector is not None:
                collector.add(job.source, job.target, cutout, encode_ms=(time.perf_counter() - began_s) * 1e3)
            return cutout

        with tqdm(total=len(jobs), unit="photo", disable=None) as bar:

            def tell(outcome: folder.Outcome) -> None:
                bar.update()
                if outcome.error is not None:
                    sentence = _sentence(outcome.error, about=str(outcome.job.source))
                    _complain(sentence)
                    if collector is not None:
                        collector.fail(outcome.job.source, outcome.job.target, sentence)

            report = folder.run(jobs, work, concurrency=arguments.concurrency, on_outcome=tell)
    print(_summary(report, arguments.output))
    if collector is not None:
        _make_folder(collector.file.parent)
        collector.write()
        print(f"The page that shows them is {collector.file}")
    return 0 if report else FAILED


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
    return f"{text}, {len(report.fallbacks)} by a smaller preset" if report.fallbacks else text


def _presets(arguments: argparse.Namespace) -> int:
    rows = [("preset", "size", "resize", "refinement", "meaning")]
    rows += [
        (preset.name, str(preset.size or "by photo"), preset.resize, preset.refine, preset.summary)
        for preset in PRESETS.values()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    settings = tuft.Settings.from_environment().overridden(url=arguments.url, preset=arguments.preset)
    diagnosis = doctor.examine(settings, lambda: Client(settings.url).transport)
    print(f"{'tuft':<14}{tuft.__version__}\n{diagnosis}")
    return 0 if diagnosis else FAILED


def _serve(arguments: argparse.Namespace) -> int:
    options = ServeOptions(
        repository=arguments.repository,
        runtime=arguments.runtime,
        sizes=tuple(arguments.sizes) if arguments.sizes else None,
        host=arguments.host,
        http_port=arguments.http_port,
        grpc_port=arguments.grpc_port,
        metrics_port=arguments.metrics_port,
        log_file=arguments.log,
        log_verbose=arguments.verbose,
        digest=arguments.digest,
    )
    if arguments.print:
        print(shell_command(options))
        return 0
    return serve(options)


def _demo(arguments: argparse.Namespace) -> int:
    if arguments.url is None:
        options = ServeOptions(arguments.repository, http_port=0, grpc_port=0, metrics_port=0)
        print("Starting a server ...", flush=True)
        with running_server(options) as addresses:
            page = demo(DemoOptions(addresses.grpc, tuple(arguments.photos), arguments.output))
    else:
        page = demo(DemoOptions(arguments.url, tuple(arguments.photos), arguments.output))
    print(f"The cut-outs and the page that shows them are in {page.parent}: open {page}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tuft", description=tuft.__doc__)
    parser.add_argument("--version", action="version", version=f"tuft {tuft.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_remove(commands)
    _add(commands, "presets", _presets, "list the presets")
    checked = _add(commands, "doctor", _doctor, "tell what is installed, what answers and which models are ready")
    _add_server_options(checked)
    _add_serve(commands)
    _add_demo(commands)
    return parser


def _add_remove(commands: _Commands) -> None:
    parser = _add(commands, "remove", _remove, "cut the subjects out of photographs")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="photograph, or folder of photographs")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT", help="folder, or file for one")
    _add_server_options(parser)
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="what the server may take for a photograph")
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--size", type=int, choices=contract.SIZES, help="another working size of the network")
    network.add_argument("--model", metavar="NAME", help="another served model, see `tuft-export adopt`")
    parser.add_argument("--refine", choices=REFINEMENTS, help="another refinement")
    parser.add_argument("--background", metavar="WHAT", help="colour name, #rrggbb, picture, or blur; none by default")
    parser.add_argument("--format", choices=images.FORMATS, help="by default that of OUT's suffix, else png")
    parser.add_argument("--quality", type=_quality, metavar="1..100",
                        help="of JPEG; makes WebP smaller, its colours nearly right")  # fmt: skip
    parser.add_argument("--concurrency", type=_positive, default=folder.DEFAULT_CONCURRENCY, metavar="N",
                        help="photographs worked on at once, %(default)s by default")  # fmt: skip
    parser.add_argument("--skip-existing", action="store_true", help="leave out what is in OUT already")
    parser.add_argument("--report", type=_html_file, nargs="?", const=_BESIDE_THE_CUTOUTS, metavar="FILE",
                        help=f"write a page that shows every cut-out, {REPORT_NAME} in OUT by default")  # fmt: skip


def _add_serve(commands: _Commands) -> None:
    parser = _add(commands, "serve", _serve, "start a model server and wait")
    _add_repository(parser)
    parser.add_argument("--runtime", choices=RUNTIMES, help="by default the best that is published and runs here")
    parser.add_argument("--sizes", type=int, nargs="+", choices=contract.SIZES, help="by default all published")
    defaults = ServeOptions(Path())
    parser.add_argument("--host", default=defaults.host, help="address to listen on, %(default)s by default")
    for name in ("http_port", "grpc_port", "metrics_port"):
        default = getattr(defaults, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, metavar="N", help=str(default))
    parser.add_argument("--log", type=Path, metavar="FILE", help="where tritonserver's output goes")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    parser.add_argument("--digest", metavar="SHA256", help="serve only the repository with this digest, as printed by "
                        "`tuft-export verify`")  # fmt: skip
    parser.add_argument("--print", action="store_true", help="print the command for a shell instead of running it")


def _add_demo(commands: _Commands) -> None:
    parser = _add(commands, "demo", _demo, "show every preset on sample photographs, on one page")
    parser.add_argument("photos", nargs="*", type=Path, metavar="PHOTO", help="photographs of your own instead")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/demo"), metavar="OUT", help="%(default)s")
    parser.add_argument("--url", help="a running server's gRPC address; by default one is started")
    _add_repository(parser)


def _add(commands: _Commands, name: str, run: _Run, summary: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(run=run)
    return parser


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", choices=PRESETS, help="see `tuft presets`; TUFT_PRESET, else standard by default")
    parser.add_argument("--url", help="the server's gRPC address; TUFT_URL, else localhost:8001 by default")


def _add_repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR",
                        help="model repository, %(default)s by default")  # fmt: skip


def _quality(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"there is no quality {text!r}: choose one from 1 to 100")
    return int(text)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above zero")
    return number


def _html_file(text: str) -> Path:
    """Only a page is ever overwritten: `--report dog.jpg` names the photograph to cut out."""
    path = Path(text)
    if path.suffix.lower() not in (".html", ".htm"):
        raise argparse.ArgumentTypeError(f"{text} does not end in .html: put photographs before --report")
    return path
