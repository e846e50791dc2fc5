"""Plans which photographs are read and which files their cut-outs go to, before any work starts."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft import imaging
from tuft.batch.inputs import CUTOUT, PICTURE_SUFFIXES, Input, Url, is_stream, photographs, stem_of
from tuft.batch.own_outputs import OwnOutputs
from tuft.errors import OptionError
from tuft.files import cannot_be_written, ignores_case
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The target of a cut-out that goes to the standard output.
STDOUT: Final = Path("/dev/stdout")
# What a user would call a suffix: .tiff, .jpgg and .data, but not the .05 of a date.
_LIKE_A_SUFFIX: Final = re.compile(r"\.[a-z][a-z0-9]{1,4}")


@dataclass(frozen=True)
class Job:
    """A photograph and the file for its cut-out, or `STDOUT`."""

    source: Input
    target: Path


@dataclass(frozen=True)
class Plan:
    """Which files are read and written.

    Attributes:
        jobs: The photographs and their cut-outs.
        folder: The folder that contains all cut-outs, with the manifest of its runs; None for single files.
        left_out: Files that were not taken for photographs, because they are cut-outs of earlier runs.
    """

    jobs: tuple[Job, ...]
    folder: Path | None = None
    left_out: tuple[Path, ...] = ()


def plan(
    inputs: Sequence[Input],
    output: Path | None,
    *,
    format: str | None = None,
    is_folder: bool = False,
    watching: OwnOutputs | None = None,
) -> Plan:
    """Plans which files are read and written, before any work starts.

    Folders are searched recursively, and their structure is kept below `output`. Hidden files, symbolic links to
    folders, `output` itself and cut-outs of earlier runs are skipped. For a single photograph, `output` may be a file:
    one with the suffix of one of `tuft.imaging.FORMATS`, or a device or a pipe.

    Args:
        inputs: Photographs and folders of photographs.
        output: The folder for the cut-outs, or the file for a single one. None for files beside their photographs, with
            `-cutout` at the end of their names, or for the standard output if the photograph comes from a pipe.
        format: One of `tuft.imaging.FORMATS`; by default the one of the suffix of `output`, or PNG.
        is_folder: Whether `output` is a folder whatever its suffix.
        watching: Knows the cut-outs of earlier runs from an earlier plan; folders may be empty then, and collisions are
            left to `without_collisions`.

    Raises:
        OptionError: A path does not exist, tuft does not write the format of `output`, two cut-outs would have the same
            file, or one would overwrite a photograph.
    """
    own = OwnOutputs() if watching is None else watching
    single = len(inputs) == 1 and not _is_directory(inputs[0])
    if output is not None and not is_folder and _is_file(output, format, single=single):
        if not single:
            what = "The standard output" if output == STDOUT else shown(output)
            raise OptionError(f"{what} is a file, and several cut-outs need a folder: give a folder.")
        result = Plan(tuple(Job(source, output) for source, _ in photographs(inputs, None, own)))
    else:
        pairs = photographs(inputs, output, own, may_be_none=watching is not None)
        jobs = tuple(Job(source, _target(source, relative, output, format)) for source, relative in pairs)
        result = Plan(jobs, _folder_of(inputs, output), tuple(own.left_out))
    if watching is None:
        for _, error in collisions(result.jobs):
            raise error
    return result


def format_of(target: Path, format: str | None) -> str:
    """The format of a cut-out: `format` if it is given, else that of its suffix; PNG for devices and pipes."""
    return format or imaging.FORMAT_OF_SUFFIX.get(target.suffix.lower(), "png")


def collisions(jobs: Sequence[Job]) -> Iterator[tuple[Job, OptionError]]:
    """The jobs that would overwrite a photograph, or have the same target as a job before them, and why."""
    sources = {identity for job in jobs if (identity := _identity(job.source)) is not None}
    key = _folded if _ignore_case(jobs) else os.path.normcase
    by_target: dict[str, Input] = {}
    for job in jobs:
        if _identity(job.target) in sources:
            text = f"The cut-out of {job.source} would overwrite {job.target}: give another output."
            yield job, OptionError(text)
        elif (other := by_target.setdefault(key(job.target), job.source)) != job.source:
            yield job, _collision(other, job)
    for job in jobs:
        for folder in job.target.parents:
            if (other := by_target.get(key(folder), job.source)) != job.source:
                yield job, _collision(other, job)


def _is_directory(source: Input) -> bool:
    return isinstance(source, Path) and source.is_dir()


def _is_file(output: Path, format: str | None, *, single: bool) -> bool:
    """Whether `output` means a file, not a folder.

    Raises:
        OptionError: It seems to mean a file of a format that tuft does not write.
    """
    if output == STDOUT:
        return True
    try:
        if output.is_dir():
            return False
        exists = output.exists()
    except (OSError, ValueError) as exc:
        raise cannot_be_written(output, exc) from exc
    if exists:
        if single and output.is_file() and format is None:
            imaging.format_from_path(output)
        return True
    suffix = output.suffix.lower()
    if suffix in imaging.FORMAT_OF_SUFFIX or (single and format is not None and suffix):
        return True
    if suffix in PICTURE_SUFFIXES or (single and _LIKE_A_SUFFIX.fullmatch(suffix)):
        written = ", ".join(imaging.FORMAT_OF_SUFFIX)
        raise OptionError(f"tuft writes no {suffix}: end the name in {written}, or in / if it is to be a folder.")
    return False


def _target(source: Input, relative: Path, output: Path | None, format: str | None) -> Path:
    suffix = ".jpg" if format == "jpeg" else f".{format or 'png'}"
    stem = stem_of(relative.name)
    if output is not None:
        return output / relative.parent / f"{stem}{suffix}"
    if isinstance(source, Url):
        return Path(f"{stem}{CUTOUT}{suffix}")
    if not isinstance(source, Path) or is_stream(source):
        return STDOUT
    return source.with_name(f"{stem}{CUTOUT}{suffix}")


def _folder_of(inputs: Sequence[Input], output: Path | None) -> Path | None:
    if output is not None:
        return output
    only = inputs[0] if len(inputs) == 1 else None
    return only if isinstance(only, Path) and only.is_dir() else None


def _collision(other: Input, job: Job) -> OptionError:
    return OptionError(f"{other} and {job.source} would both become {job.target}: rename one of them.")


def _identity(file: Input) -> tuple[int, int] | None:
    """What tells whether two paths are one file, whatever links lead to it; None for what is no file."""
    if not isinstance(file, Path) or not file.is_file():
        return None
    status = file.stat()
    return status.st_dev, status.st_ino


def _folded(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path).casefold())


def _ignore_case(jobs: Sequence[Job]) -> bool:
    """Whether some targets differ only in case, and are one file where they are to be written."""
    targets = {os.path.normcase(job.target) for job in jobs}
    return len({_folded(Path(target)) for target in targets}) < len(targets) and ignores_case(jobs[0].target.parent)
