"""Batches of photographs: plans which file each cut-out goes to, and runs the jobs."""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft import imaging
from tuft.batch.manifest import DONE, Entry, Source
from tuft.concurrency import DEFAULT_CONCURRENCY, bounded_map
from tuft.errors import OptionError
from tuft.files import file_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tuft.batch.manifest import Manifest
    from tuft.cutout import Cutout

# Suffixes of photographs in folders; a file that is given by name may have any suffix.
SUFFIXES: Final = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".mpo", ".heic", ".heif"),
)

# Temporary files of `tuft.files.write_atomically` that a killed run has left; files in use are younger than this.
_LEFTOVERS: Final = ".tuft-*.part"
_LEFTOVER_AGE_S: Final = 600.0


@dataclass(frozen=True)
class Job:
    """A photograph and the file for its cut-out."""

    source: Path
    target: Path


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
    """The outcomes of all jobs, in order; true if none failed."""

    outcomes: tuple[Outcome, ...]

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


def plan(paths: Sequence[Path], output: Path, *, format: str | None = None) -> tuple[Job, ...]:
    """Plans which files are read and written, before any work starts.

    Folders are searched recursively, and their structure is kept below `output`. Hidden files, symbolic links to
    folders and `output` itself are skipped. For a single photograph, `output` may be a file with the suffix of one of
    `tuft.imaging.FORMATS`.

    Args:
        paths: Photographs and folders of photographs.
        output: The folder for the cut-outs, or the file for a single one.
        format: One of `tuft.imaging.FORMATS`; by default the one of the suffix of `output`, or PNG.

    Raises:
        OptionError: A path does not exist, two cut-outs would have the same file, or one would overwrite a photograph.
    """
    if len(paths) == 1 and paths[0].is_file() and names_a_file(output):
        jobs = [Job(paths[0], output)]
    else:
        if output.is_file() or names_a_file(output):
            raise OptionError(f"{output} is a file, and several cut-outs need a folder: give a folder.")
        suffix = ".jpg" if format == "jpeg" else f".{format or 'png'}"
        named = _unique(pair for path in paths for pair in _photographs(path, output))
        jobs = [Job(source, output / relative.with_suffix(suffix)) for source, relative in named]
    _require_no_collision(jobs)
    _require_no_overwritten_source(jobs)
    return tuple(jobs)


def run(
    jobs: Sequence[Job],
    work: Callable[[Job], Outcome],
    *,
    concurrency: int = DEFAULT_CONCURRENCY,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Report:
    """Runs jobs with bounded concurrency; a failure does not stop the other jobs.

    Args:
        jobs: The jobs.
        work: Runs one job; called from several threads.
        concurrency: Maximum number of jobs at the same time.
        on_outcome: Called in this thread after each job, in the order of `jobs`.

    Raises:
        KeyboardInterrupt: Jobs that have not been started are dropped, the others finish on their own.
    """
    outcomes = []
    with closing(bounded_map(jobs, work, concurrency=concurrency)) as results:
        for result in results:
            outcome = result.value or Outcome(result.item, error=result.error)
            on_outcome(outcome)
            outcomes.append(outcome)
    return Report(tuple(outcomes))


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
        if not again and manifest.is_done(job.source, job.target, options):
            return Outcome(job, earlier=True)
        source = _source(job)
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


def _source(job: Job) -> Source | None:
    try:
        return Source.of(job.source)
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


def names_a_file(output: Path) -> bool:
    """Whether `output` means a file, not a folder: it has the suffix of a format and is not an existing folder."""
    try:
        imaging.format_from_path(output)
    except OptionError:
        return False
    return not output.is_dir()


def _photographs(path: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    """Each photograph at or below `path` with its path relative to `path`, sorted."""
    if path.is_file():
        yield path, Path(path.name)
    elif path.is_dir():
        found = sorted(_below(path, output.resolve()))
        if not found:
            raise OptionError(f"There is no photograph in {path}: give a folder with pictures that tuft reads.")
        yield from ((file, file.relative_to(path)) for file in found)
    else:
        raise OptionError(f"There is no file or folder {path}: check its name.")


def _below(folder: Path, output: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = [name for name in folders if not name.startswith(".") and (here / name).resolve() != output]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield here / name


def _unique(pairs: Iterable[tuple[Path, Path]]) -> Iterator[tuple[Path, Path]]:
    """Drops photographs that were given twice."""
    seen = set()
    for source, relative in pairs:
        if (place := (source.resolve(), relative)) not in seen:
            seen.add(place)
            yield source, relative


def _require_no_collision(jobs: Sequence[Job]) -> None:
    sources: dict[str, Path] = {}
    for job in jobs:
        _require_same(sources.setdefault(os.path.normcase(job.target), job.source), job)
    for job in jobs:
        for folder in job.target.parents:
            _require_same(sources.get(os.path.normcase(folder), job.source), job)


def _require_same(source: Path, job: Job) -> None:
    if source != job.source:
        raise OptionError(f"{source} and {job.source} would both become {job.target}: rename one of them.")


def _require_no_overwritten_source(jobs: Sequence[Job]) -> None:
    sources = {job.source.resolve() for job in jobs}
    for job in jobs:
        if job.target.resolve() in sources:
            raise OptionError(f"The cut-out of {job.source} would overwrite {job.target}: give another output.")
