"""Runs the jobs of a plan, and skips those that an earlier run has done."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.batch.inputs import is_stream
from tuft.batch.manifest import DONE, Entry, Source
from tuft.concurrency import DEFAULT_CONCURRENCY, bounded_map
from tuft.files import ends_all_writing, file_hash

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence

    from tuft.batch.manifest import Manifest
    from tuft.batch.plan import Job
    from tuft.cutout import Cutout

# Temporary files of `tuft.files.write_atomically` that a killed run has left; files in use are younger than this.
_LEFTOVERS: Final = ".tuft-*.part"
_LEFTOVER_AGE_S: Final = 600.0


@dataclass(frozen=True)
class Outcome:
    """The outcome of one job.

    Attributes:
        job: The job.
        error: Why it failed; None if it succeeded.
        fallback_reason: Why a smaller preset served it; None if the requested preset did.
        earlier: Whether it was skipped because an earlier run has done it.
    """

    job: Job
    error: Exception | None = None
    fallback_reason: str | None = None
    earlier: bool = False


@dataclass(frozen=True)
class Report:
    """The outcomes of all jobs, in order; true if none failed.

    Attributes:
        outcomes: The outcomes.
        dropped: How many jobs were not run, because their cut-outs could not have been written.
    """

    outcomes: tuple[Outcome, ...]
    dropped: int = 0

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes with an error."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)

    @property
    def fallbacks(self) -> tuple[Outcome, ...]:
        """The outcomes of jobs that a smaller preset served."""
        return tuple(outcome for outcome in self.outcomes if outcome.fallback_reason is not None)

    @property
    def earlier(self) -> tuple[Outcome, ...]:
        """The outcomes of jobs that an earlier run has done."""
        return tuple(outcome for outcome in self.outcomes if outcome.earlier)

    def __bool__(self) -> bool:
        return not self.failures


def run(
    jobs: Sequence[Job],
    work: Callable[[Job], Outcome],
    *,
    concurrency: int = DEFAULT_CONCURRENCY,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
    stop: threading.Event | None = None,
) -> Report:
    """Runs jobs with bounded concurrency; a failure does not stop the other jobs.

    An exception is a disk that is full or has become read-only: it ends the run, as no other cut-out could be written.

    Args:
        jobs: The jobs.
        work: Runs one job; called from several threads.
        concurrency: Maximum number of jobs at the same time.
        on_outcome: Called in this thread after each job, in the order of `jobs`.
        stop: Once it is set, no further job is started; those that have been are completed.

    Raises:
        KeyboardInterrupt: Jobs that have not been started are dropped, the others finish on their own.
    """
    outcomes = []
    begun = takewhile(lambda _: stop is None or not stop.is_set(), jobs)
    with closing(bounded_map(begun, work, concurrency=concurrency)) as results:
        for result in results:
            outcome = result.value or Outcome(result.item, error=result.error)
            on_outcome(outcome)
            outcomes.append(outcome)
            if ends_all_writing(outcome.error):
                break
    return Report(tuple(outcomes), dropped=len(jobs) - len(outcomes))


def resumable(
    cut_out: Callable[[Job], Cutout], manifest: Manifest | None, *, options: str, again: bool = False
) -> Callable[[Job], Outcome]:
    """The `work` for `run` that skips jobs which an earlier run has done, and records the others.

    Args:
        cut_out: Makes the cut-out of a job and writes it to its target.
        manifest: The manifest of the folder that contains all targets; None skips and records nothing.
        options: Digest of everything except the photograph that the contents of a target depend on.
        again: Whether to run jobs that have been done already.
    """

    def work(job: Job) -> Outcome:
        if manifest is None:
            return Outcome(job, fallback_reason=cut_out(job).fallback_reason)
        file = None if is_stream(job.source) else Path(str(job.source))
        if file is not None and not again and manifest.is_done(file, job.target, options):
            return Outcome(job, earlier=True)
        source = _source(file)
        name = manifest.name_of(job.target)
        try:
            cutout = cut_out(job)
        except Exception as error:
            manifest.record(Entry(name, options, type(error).__name__, source, error=str(error)))
            raise
        made = {"model": cutout.model, "model_version": cutout.model_version, "fallback_reason": cutout.fallback_reason}
        manifest.record(Entry(name, options, DONE, source, file_hash(job.target), **made))
        return Outcome(job, fallback_reason=cutout.fallback_reason)

    return work


def _source(file: Path | None) -> Source | None:
    try:
        return None if file is None else Source.of(file)
    except OSError:  # decoding it will report the error
        return None


def remove_leftovers(jobs: Iterable[Job]) -> None:
    """Deletes temporary files that killed runs have left in the target folders."""
    oldest_s = time.time() - _LEFTOVER_AGE_S
    for folder in {job.target.parent for job in jobs}:
        for leftover in folder.glob(_LEFTOVERS):
            with suppress(OSError):
                if leftover.stat().st_mtime < oldest_s:
                    leftover.unlink()
