"""`tuft batch`: cuts out whole archives, from folders, buckets, tables and shards, and goes on where it was stopped."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final, get_args

from tqdm import tqdm

from tuft import contract, imaging
from tuft.background import resolve_background
from tuft.batch.bulk import BatchOptions, BatchReport, Cluster, run_batch
from tuft.batch.bulk.cutting import PATIENCE_S
from tuft.batch.bulk.options import INTO
from tuft.batch.bulk.run import ENGINES
from tuft.cli._output import Output, add_output_options
from tuft.cli._shared import DONE, FAILED, add_command, add_server_options, positive, settings_of
from tuft.concurrency import DEFAULT_CONCURRENCY
from tuft.errors import OptionError
from tuft.presets import Refinement
from tuft.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft.batch.bulk import Row
    from tuft.batch.bulk.keys import KeySet
    from tuft.cli._shared import Commands

_OF_RAY: Final = ("address", "workers", "worker_cpus", "worker_gpus")


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "batch", _run, "cut out an archive: folders, buckets, tables and shards")
    parser.add_argument("input", metavar="INPUT",
                        help="folder, pattern such as 'photos/**/*.jpg', bucket or prefix (s3://...), .parquet or .csv "
                             "with paths or bytes, .tar shards")  # fmt: skip
    parser.add_argument("output", metavar="OUTPUT", help="folder, bucket or prefix, for this batch alone")
    parser.add_argument("--into", choices=INTO, default="pictures",
                        help="one file each by default; parquet or tar keep many together")  # fmt: skip
    parser.add_argument("--column", metavar="NAME", help="of a table: the column with paths, URLs or bytes")
    parser.add_argument("--key", metavar="NAME", help="of a table: the column that names the outputs")
    add_server_options(parser)
    _add_photograph_options(parser)
    _add_engine_options(parser)
    parser.add_argument("--again", action="store_true", help="begin anew; without it, only what is missing is done")


def _add_photograph_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for the server, of each photograph")
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--size", type=int, choices=contract.SIZES, help="working size instead of the preset's")
    network.add_argument("--model", metavar="NAME", help="served model instead of the preset's")
    parser.add_argument("--refine", choices=get_args(Refinement), help="refinement instead of the preset's")
    add_output_options(parser)
    parser.add_argument("--background", metavar="WHAT", help="colour name, #rrggbb, picture, or blur; none by default")
    parser.add_argument("--format", choices=imaging.FORMATS, default="png", help="%(default)s by default")
    parser.add_argument("--quality", type=_quality, metavar="1..100", help="of JPEG; makes WebP smaller and inexact")
    parser.add_argument("--keep-metadata", action="store_true", help="keep the photograph's EXIF")


def _add_engine_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=ENGINES, default="threads", help="%(default)s by default; or Ray Data")
    parser.add_argument("--address", help="of a Ray cluster, as ray://HOST:10001; one on this machine by default")
    parser.add_argument("--workers", type=positive, metavar="N",
                        help="of Ray; by default 2 that ask a server, or with --url local one on each machine"
                        )  # fmt: skip
    parser.add_argument("--worker-cpus", type=float, metavar="N", help="processors that a worker of Ray reserves")
    parser.add_argument("--worker-gpus", type=float, metavar="N", help="GPUs that a worker of Ray reserves")
    parser.add_argument("--concurrency", type=positive, default=DEFAULT_CONCURRENCY, metavar="N",
                        help="photographs that a worker has at once, %(default)s by default")  # fmt: skip
    parser.add_argument("--group", type=positive, default=0, metavar="N",
                        help="photographs in a shard, 256 by default; of pictures those in Ray's unit of work, 32"
                        )  # fmt: skip
    parser.add_argument("--patience", type=float, default=PATIENCE_S, metavar="SECONDS",
                        help="how long the server or the bucket may be away, %(default)g by default")  # fmt: skip


def _run(arguments: argparse.Namespace) -> int:
    options = _options(arguments)
    cluster = _cluster(arguments)
    settings = settings_of(arguments, timeout_s=arguments.timeout)
    with tqdm(unit="photo", disable=None) as bar:
        progress = _Progress(bar)
        report = run_batch(
            arguments.input,
            arguments.output,
            options,
            settings=settings,
            engine=arguments.engine,
            cluster=cluster,
            concurrency=arguments.concurrency,
            group=arguments.group,
            column=arguments.column,
            key=arguments.key,
            again=arguments.again,
            patience_s=arguments.patience,
            on_rows=progress.on_rows,
            on_start=progress.on_start,
        )
    print(_summary(report))
    return DONE if report else FAILED


class _Progress:
    """The bar: how many photographs, how fast, and how many have failed."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._failed = 0

    def on_start(self, done: KeySet) -> None:
        self._bar.initial = self._bar.n = len(done)

    def on_rows(self, rows: Sequence[Row]) -> None:
        self._failed += sum(row.error is not None for row in rows)
        if self._failed:
            self._bar.set_postfix_str(f"{self._failed} failed", refresh=False)
        self._bar.update(len(rows))


def _options(arguments: argparse.Namespace) -> BatchOptions:
    return BatchOptions(
        preset=arguments.preset,
        size=arguments.size,
        model=arguments.model,
        refine=arguments.refine,
        roi=arguments.roi,
        output=Output.from_arguments(arguments),
        background=None if arguments.background is None else resolve_background(arguments.background),
        format=arguments.format,
        quality=arguments.quality,
        keep_metadata=arguments.keep_metadata,
        into=arguments.into,
    )


def _cluster(arguments: argparse.Namespace) -> Cluster:
    """Where Ray's workers run.

    Raises:
        OptionError: Something is said of them, and the engine is another.
    """
    given = {name: value for name in _OF_RAY if (value := getattr(arguments, name)) is not None}
    if given and arguments.engine != "ray":
        raise OptionError(f"--{next(iter(given)).replace('_', '-')} is for Ray: add --engine ray, or leave it out.")
    return Cluster(**given)


def _summary(report: BatchReport) -> str:
    text = f"{report.done} of {counted(report.done + report.failed, 'photograph')} cut out, the table is {report.table}"
    if report.errors:
        text += f"; {report.failed} failed: "
        text += ", ".join(f"{count} {name}" for name, count in report.errors.most_common())
    return text + (f"; {report.earlier} by an earlier run" if report.earlier else "")


def _quality(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"there is no quality {text!r}: choose one from 1 to 100")
    return int(text)
