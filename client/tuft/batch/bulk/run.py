"""Batches: many photographs from folders, buckets, tables and shards, with an engine that does them."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from tuft.batch.bulk import on_ray, on_threads
from tuft.batch.bulk.cutting import PATIENCE_S
from tuft.batch.bulk.job import Job, claimed, finish, remove_unnamed
from tuft.batch.bulk.on_ray import Cluster
from tuft.batch.bulk.options import BatchOptions
from tuft.batch.bulk.results import TABLE
from tuft.concurrency import DEFAULT_CONCURRENCY, require_concurrency
from tuft.errors import OptionError
from tuft.settings import load_settings
from tuft.text import shown

if TYPE_CHECKING:
    import os
    from collections import Counter
    from collections.abc import Callable, Sequence

    from tuft.batch.bulk.keys import KeySet
    from tuft.batch.bulk.results import Row
    from tuft.settings import Settings

Engine = Literal["threads", "ray"]
ENGINES: Final = ("threads", "ray")


@dataclass(frozen=True)
class BatchReport:
    """What a batch has done; true if every photograph has a cut-out.

    Attributes:
        done: Photographs with a cut-out, those of earlier runs included.
        errors: From the class of each error to how many photographs failed by it.
        earlier: How many were final before this run.
        table: The results table.
    """

    done: int
    errors: Counter[str]
    earlier: int
    table: str

    @property
    def failed(self) -> int:
        """Photographs without a cut-out."""
        return sum(self.errors.values())

    def __bool__(self) -> bool:
        return not self.failed


def run_batch(
    input: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: BatchOptions | None = None,
    *,
    settings: Settings | None = None,
    engine: Engine = "threads",
    cluster: Cluster | None = None,
    concurrency: int = DEFAULT_CONCURRENCY,
    group: int = 0,
    column: str | None = None,
    key: str | None = None,
    again: bool = False,
    patience_s: float = PATIENCE_S,
    on_rows: Callable[[Sequence[Row]], None] = lambda rows: None,
    on_start: Callable[[KeySet], None] = lambda done: None,
) -> BatchReport:
    """Cuts out all photographs of an input that an earlier run with the same arguments has not done.

    A run that is killed at any moment and started again ends with the same outputs and one row for each photograph. A
    photograph that fails by its own fault gets a row; one that fails by the server's is done again by the next run.

    Args:
        input: A folder, a pattern such as `photos/**/*.jpg`, a bucket or prefix (`s3://…`), a Parquet or CSV file with
            paths or bytes, or shards of tar; patterns of these, too.
        output: A folder or a prefix, for this batch alone.
        options: What is made of each photograph.
        settings: Of the client; those of environment and file by default.
        engine: `threads` on this machine, or `ray`.
        cluster: Where Ray's actors run.
        concurrency: How many photographs are worked on at once, by each worker.
        group: How many photographs share a shard, or are one unit of work for Ray; 0 for the default.
        column: Of tables: the column of paths or bytes.
        key: Of tables: the column of keys, which name the outputs.
        again: Whether to begin anew.
        patience_s: Seconds for which the server or the storage may be away before the run ends.
        on_rows: Called in this thread with rows as photographs are done.
        on_start: Called once with the keys that are final already.

    Raises:
        OptionError: An argument has no such value, there is no such input, or the output is another batch's.
        OutputError: Nothing more can be written.
        ServerError: The server has been away for too long; what was done is kept.
        StorageError: The storage has.
        SetupError: A library is not installed.
    """
    require_concurrency(concurrency)
    if engine not in ENGINES:
        raise OptionError(f"There is no engine {shown(repr(engine))}: choose one of {', '.join(ENGINES)}.")
    if not patience_s >= 0:
        raise OptionError(f"The patience is {shown(repr(patience_s))}: give a number of seconds, not below zero.")
    settings = load_settings() if settings is None else settings
    options = BatchOptions() if options is None else options
    job = Job(str(input), str(output), options, settings, column, key, group, concurrency, patience_s)
    stop = threading.Event()
    with claimed(job, again=again) as results:
        done = results.done()
        job = replace(job, after=results.position())
        remove_unnamed(job, results)
        on_start(done)
        working = (
            on_ray.rows(job, done, stop, cluster or Cluster()) if engine == "ray" else on_threads.rows(job, done, stop)
        )
        found = len(done)
        try:
            with closing(working):
                for rows in working:
                    results.add(rows)
                    found += len(rows)
                    on_rows(rows)
        finally:
            results.flush()
        if not found:
            raise OptionError(f"There is no photograph in {shown(job.input)}: give one with pictures that tuft reads.")
        totals = finish(job, results)
    return BatchReport(totals.done, totals.errors, len(done), str(job.place / TABLE))
