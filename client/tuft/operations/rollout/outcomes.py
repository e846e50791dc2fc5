"""Outcomes of requests during a rollout: JSON lines that every client appends, one file for each step."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft.files import append_lines
from tuft.operations.experiments.recorder import FILE_MODE, SUFFIX, hashed_unit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from tuft.operations.rollout.state import Plan

    Floats = NDArray[np.float64]

# About forty thousand requests. Only the latest are read, which takes a fraction of a second however long a step lasts.
WINDOW_BYTES: Final = 8 * 2**20


@dataclass(frozen=True)
class Outcome:
    """The outcome of one request to one version; the figures are None if it failed.

    Attributes:
        version: The version.
        unit: The hashed key of the unit that sent it.
        ms: Milliseconds from the request to the finished alpha.
        quality: `tuft.imaging.quality_score`, 0..1.
        subject: Share of the picture that is subject, 0..1.
    """

    version: str
    unit: str
    ms: float | None = None
    quality: float | None = None
    subject: float | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """The outcomes of one version, one row for each request.

    Attributes:
        unit: intp [n], number of the unit that sent it.
        failed: float64 [n], 1 if it failed, else 0.
        ms: float64 [n], milliseconds; NaN if it failed.
        quality: float64 [n], 0..1; NaN if it failed.
        subject: float64 [n], 0..1; NaN if it failed.
    """

    unit: NDArray[np.intp] = field(repr=False)
    failed: Floats = field(repr=False)
    ms: Floats = field(repr=False)
    quality: Floats = field(repr=False)
    subject: Floats = field(repr=False)

    def __len__(self) -> int:
        return len(self.failed)

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Sample:
        """The sample with a row for each of `outcomes`."""
        rows = list(outcomes)
        number: dict[str, int] = {}
        return cls(
            unit=np.array([number.setdefault(row.unit, len(number)) for row in rows], np.intp),
            failed=np.array([row.ms is None for row in rows], np.float64),
            ms=_floats(row.ms for row in rows),
            quality=_floats(row.quality for row in rows),
            subject=_floats(row.subject for row in rows),
        )


class Outcomes:
    """The files of outcomes in the folder that clients share.

    Args:
        folder: The shared folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, plan: Plan, unit: str, version: str, **figures: float) -> None:
        """Appends the outcome of one request.

        Args:
            plan: The rollout, at its current step.
            unit: The key of the unit that sent the request; it is stored hashed.
            version: The version that was asked.
            figures: `ms`, `quality` and `subject` of `Outcome`; none if the request failed.

        Raises:
            OutputError: The line cannot be written.
        """
        rounded = {name: round(value, 5) for name, value in figures.items()}
        outcome = Outcome(version, hashed_unit(plan.name, unit), **rounded)
        append_lines(self._path(plan, plan.step), json.dumps(asdict(outcome)).encode() + b"\n", mode=FILE_MODE)

    def samples(self, plan: Plan) -> tuple[Sample, Sample]:
        """The latest outcomes of the old and of the new version in the current step.

        The old version gets no requests in the last step; its outcomes of the previous step are used then.
        """
        now = self._by_version(plan, plan.step)
        before = self._by_version(plan, plan.before) if plan.share == 1 else now
        return Sample.of(before[plan.old]), Sample.of(now[plan.new])

    def _by_version(self, plan: Plan, step: int) -> dict[str, list[Outcome]]:
        by_version: dict[str, list[Outcome]] = defaultdict(list)
        for line in _latest_lines(self._path(plan, step)):
            outcome = _outcome(line)
            if outcome is not None:
                by_version[outcome.version].append(outcome)
        return by_version

    def _path(self, plan: Plan, step: int) -> Path:
        return self._folder / f"{plan.name}.{step}{SUFFIX}"


def _latest_lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            start = max(file.seek(0, 2) - WINDOW_BYTES, 0)
            file.seek(start)
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    return lines[1:] if start else lines  # the first one may be cut off


def _outcome(line: bytes) -> Outcome | None:
    """The outcome in a line; None if the line is incomplete."""
    try:
        values: dict[str, Any] = json.loads(line)
        return Outcome(**values)
    except (ValueError, TypeError):
        return None


def _floats(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)
