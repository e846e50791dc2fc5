"""What became of requests during a rollout: JSON lines that every client appends, one file for each step."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft.operations.experiments.recorder import SUFFIX, append_line, hashed_unit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from tuft.operations.rollout.state import Plan

    Floats = NDArray[np.float64]

# The latest requests of a step, some forty thousand: reading them takes a fraction of a second however long it lasts.
WINDOW_BYTES: Final = 8 * 2**20


@dataclass(frozen=True)
class Outcome:
    """What one version did with one request.

    Attributes:
        version: Which.
        unit: Whose request it was, hashed.
        ms: From asking to the finished alpha; None if it failed.
        quality: `tuft.imaging.quality_score`, 0..1; None if it failed.
        subject: Share of the picture that is subject, 0..1; None if it failed.
    """

    version: str
    unit: str
    ms: float | None = None
    quality: float | None = None
    subject: float | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """The outcomes of one version, one row each.

    Attributes:
        unit: intp [n], whose request it was; the same number, the same unit.
        failed: float64 [n], 1 if it failed.
        ms: float64 [n], NaN if it did, here and below.
        quality: float64 [n], 0..1.
        subject: float64 [n], 0..1.
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
        """The rows of `outcomes`."""
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
        folder: Which.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, plan: Plan, key: str, version: str, **known: float) -> None:
        """Writes down what `version` did for `key`; nothing is `known` of a request that failed.

        Raises:
            OutputError: The line cannot be written.
        """
        rounded = {name: round(value, 5) for name, value in known.items()}
        outcome = Outcome(version, hashed_unit(plan.name, key), **rounded)
        append_line(self._path(plan, plan.step), json.dumps(asdict(outcome)))

    def samples(self, plan: Plan) -> tuple[Sample, Sample]:
        """The old version's and the new one's latest outcomes in this step.

        Nobody asks the old version in the last step: then its outcomes are those of the step before.
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
    return lines[1:] if start else lines  # the first one may have lost its beginning


def _outcome(line: bytes) -> Outcome | None:
    """None for a line that is torn."""
    try:
        values: dict[str, Any] = json.loads(line)
        return Outcome(**values)
    except (ValueError, TypeError):
        return None


def _floats(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)
