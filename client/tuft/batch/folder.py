"""Many photographs: which file becomes which, and working through them."""

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
from tuft.provenance import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tuft.batch.manifest import Manifest
    from tuft.cutout import Cutout

# What counts as a photograph in a folder; a file that is named itself may be called anything.
SUFFIXES: Final = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".mpo", ".heic", ".heif"),
)

# What a run that was killed while it wrote a file has left beside it; one that is being written is younger.
_LEFTOVERS: Final = ".tuft-*.part"
_LEFTOVER_AGE_S: Final = 600.0


@dataclass(frozen=True)
class Job:
    """One photograph and the file that its cut-out goes to."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Outcome:
    """What became of one job.

    Attributes:
        job: The job.
        error: Why it failed; None if it did not.
        fallback_reason: Why a smaller preset served it; None if none did.
        earlier: Whether an earlier run has done it.
    """

    job: Job
    error: Exception | None = None
    fallback_reason: str | None = None
    earlier: bool = False


@dataclass(frozen=True)
class Report:
    """What became of all jobs, in their order; true if none failed."""

    outcomes: tuple[Outcome, ...]

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes with an error."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)

    @property
    def fallbacks(self) -> tuple[Outcome, ...]:
        """The outcomes that a smaller preset served."""
        return tuple(outcome for outcome in self.outcomes if outcome.fallback_reason is not None)

    @property
    def earlier(self) -> tuple[Outcome, ...]:
        """The outcomes of an earlier run."""
        return tuple(outcome for outcome in self.outcomes if outcome.earlier)

    def __bool__(self) -> bool:
        return not self.failures


def plan(paths: Sequence[Path], output: Path, *, format: str | None = None) -> tuple[Job, ...]:
    """Which files are read and written, decided before any work starts.

    Folders are read recursively and keep their structure below `output`; hidden files, folders that are links,
    and `output` itself are left out. One photograph alone may go to a file: `output` then has a suffix of
    `tuft.imaging.FORMATS`.

    Args:
        paths: Photographs and folders of photographs.
        output: Folder for the cut-outs, or the file for the only one.
        format: One of `tuft.imaging.FORMATS`; by default that of `output`'s suffix, else PNG.

    Raises:
        OptionError: Something is not there, two cut-outs would be one file, or one would overwrite a photograph.
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
    """Does all jobs, a few at a time; one that fails does not stop the others.

    Args:
        jobs: What to do.
        work: Does one; called from several threads.
        concurrency: How many are worked on at once.
        on_outcome: Called from this thread after each job, in the order of `jobs`.

    Raises:
        KeyboardInterrupt: As usual; jobs that have not begun are dropped, those that have end on their own.
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
    """Work for `run` that leaves out what an earlier run has done, and takes down what it does itself.

    Args:
        cut_out: Makes the cut-out of a job and writes it to its target.
        manifest: Of the folder that holds all targets; None does everything, and takes nothing down.
        options: Digest of everything but the photograph that the contents of a target depend on.
        again: Whether to do what is done already.
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
        manifest.record(Entry(name, options, DONE, source, file_sha256(job.target), **made))
        return Outcome(job, fallback_reason=cutout.fallback_reason)

    return work


def _source(job: Job) -> Source | None:
    try:
        return Source.of(job.source)
    except OSError:  # whoever reads the photograph will say what is wrong with it
        return None


def remove_leftovers(jobs: Iterable[Job]) -> None:
    """Deletes half-written files of runs that were killed, where the cut-outs go."""
    oldest_s = time.time() - _LEFTOVER_AGE_S
    for folder in {job.target.parent for job in jobs}:
        for leftover in folder.glob(_LEFTOVERS):
            with suppress(OSError):
                if leftover.stat().st_mtime < oldest_s:
                    leftover.unlink()


def names_a_file(output: Path) -> bool:
    """Whether `output` is meant as a file to write, not as a folder: it has the suffix of a format."""
    try:
        imaging.format_from_path(output)
    except OptionError:
        return False
    return not output.is_dir()


def _photographs(path: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    """Each photograph at or below `path`, with its name relative to `path`, sorted."""
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
    """Drops photographs that were named twice."""
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
