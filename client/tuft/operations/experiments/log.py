"""Reads the files of recorders and groups their lines by variant."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft.errors import OptionError
from tuft.inference.observers import OK
from tuft.operations.experiments.definition import HOLDOUT
from tuft.operations.experiments.recorder import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_KINDS: Final = frozenset({"exposure", "outcome", "rating"})


@dataclass(frozen=True, eq=False)
class Arm:
    """The requests of one variant, one row each, without those of forced units.

    Attributes:
        name: Name of the variant, or `holdout`.
        units: Number of units.
        exposures: Number of requests that were started.
        unit: intp [n], number of the unit that sent the request, 0 <= unit < units.
        failed: float64 [n], 1 if the request ended in an error, else 0.
        total_ms: float64 [n], milliseconds, NaN if it ended in an error.
        quality: float64 [n], 0..1, NaN if it was not estimated.
        rating: float64 [n], NaN if there is none.
    """

    name: str
    units: int
    exposures: int
    unit: NDArray[np.intp] = field(repr=False)
    failed: Floats = field(repr=False)
    total_ms: Floats = field(repr=False)
    quality: Floats = field(repr=False)
    rating: Floats = field(repr=False)

    @property
    def unanswered(self) -> int:
        """Number of requests without an outcome: still in progress, or their process has died."""
        return max(self.exposures - len(self.unit), 0)


@dataclass(frozen=True, eq=False)
class Log:
    """The recorded requests of one experiment.

    Attributes:
        experiment: Name of the experiment.
        control: Name of the variant that the others are compared with.
        planned_units: Planned number of units.
        arms: By name: first the control, then the other variants, last the holdout if there is one.
        expected_units: By name of the arm, the expected number of units according to the weights.
        definitions: Number of different combinations of shares, control and plan in the files.
        mixed_units: Number of units that were given more than one variant; they are excluded.
        forced_units: Number of units that the experiment names explicitly; they are excluded.
        unreadable_lines: Number of lines that are incomplete or were not written by a recorder.
    """

    experiment: str
    control: str
    planned_units: int
    arms: Mapping[str, Arm]
    expected_units: Mapping[str, float]
    definitions: int
    mixed_units: int
    forced_units: int
    unreadable_lines: int

    @property
    def variants(self) -> list[Arm]:
        """All arms except the holdout, the control first."""
        return [arm for name, arm in self.arms.items() if name != HOLDOUT]

    @property
    def units(self) -> int:
        """Number of units that count towards the plan."""
        return sum(arm.units for arm in self.variants)


def read_log(paths: Iterable[Path]) -> Log:
    """Reads the files of one experiment.

    Args:
        paths: Files, and folders whose files are read.

    Raises:
        OptionError: A file cannot be read, or the files hold no experiment, or more than one.
    """
    lines, unreadable = [], 0
    for path in _files(paths):
        for line in _lines(path):
            if line is None:
                unreadable += 1
            else:
                lines.append(line)
    experiments = sorted({line["experiment"] for line in lines})
    if not any(line["kind"] != "rating" for line in lines):
        raise OptionError("Nothing was recorded in these files: name those of an experiment that has been run.")
    if len(experiments) > 1:
        raise OptionError(f"These files hold {len(experiments)} experiments ({', '.join(experiments)}): give one's.")
    return _log(lines, unreadable)


def require_request(folder: Path, experiment: str, request_id: str) -> None:
    """Checks that a request of an experiment has been recorded in a folder.

    Raises:
        OptionError: It has not been, or a file cannot be read.
    """
    for path in _files([folder]) if folder.is_dir() else ():
        for line in _lines(path):
            if line and (line["kind"], line["experiment"], line.get("request_id")) == (
                "outcome",
                experiment,
                request_id,
            ):
                return
    raise OptionError(
        f"No request {request_id!r} of the experiment {experiment} is recorded in {folder}: give the id that its "
        "result or the log names, and the folder that its recorder writes to."
    )


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else (path,)


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Each line that is not blank: its table, or None if it cannot be parsed."""
    try:
        with path.open("rb") as file:
            for text in file:
                if text.strip():
                    yield _parsed(text)
    except OSError as exc:
        raise OptionError(f"{path} cannot be read ({exc.strerror}): name a file of an experiment.") from exc


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
        known = line["kind"] in _KINDS and isinstance(line["experiment"], str) and isinstance(line["shares"], dict)
        whole = known and (
            line["kind"] == "rating" or (isinstance(line["unit"], str) and isinstance(line["variant"], str))
        )
    except (ValueError, KeyError, TypeError):
        return None
    return line if whole else None


def _log(lines: Sequence[dict[str, Any]], unreadable: int) -> Log:
    last = max(lines, key=lambda line: str(line.get("at", "")))  # the current definition
    seen = [line for line in lines if line["kind"] != "rating"]
    forced = {line["unit"] for line in seen if line["forced"]}
    given: dict[str, set[str]] = defaultdict(set)
    for line in seen:
        given[line["unit"]].add(line["variant"])
    mixed = {unit for unit, variants in given.items() if len(variants) > 1} - forced
    counted = [line for line in seen if line["unit"] not in forced and line["unit"] not in mixed]
    ratings = {line["request_id"]: line["rating"] for line in lines if line["kind"] == "rating"}
    by_name: dict[str, list[dict[str, Any]]] = {name: [] for name in _order(last)}
    for line in counted:
        by_name.setdefault(line["variant"], []).append(line)
    return Log(
        experiment=last["experiment"],
        control=last["control"],
        planned_units=last["planned_units"],
        arms={name: _arm(name, of_arm, ratings) for name, of_arm in by_name.items()},
        expected_units=_expected_units(counted),
        definitions=len({json.dumps([line["shares"], line["control"], line["planned_units"]]) for line in lines}),
        mixed_units=len(mixed),
        forced_units=len(forced),
        unreadable_lines=unreadable,
    )


def _order(line: dict[str, Any]) -> list[str]:
    return sorted(line["shares"], key=lambda name: (name == HOLDOUT, name != line["control"]))


def _expected_units(lines: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Sums the shares that were valid when each unit was first seen."""
    first: dict[str, dict[str, float]] = {}
    for line in sorted(lines, key=lambda line: str(line["at"])):
        first.setdefault(line["unit"], line["shares"])
    expected: Counter[str] = Counter()
    for shares in first.values():
        expected.update(shares)
    return dict(expected)


def _arm(name: str, lines: Sequence[dict[str, Any]], ratings: Mapping[str, int]) -> Arm:
    number = {unit: i for i, unit in enumerate(dict.fromkeys(line["unit"] for line in lines))}
    outcomes = [line for line in lines if line["kind"] == "outcome"]
    ok = [line["outcome"] == OK for line in outcomes]
    return Arm(
        name=name,
        units=len(number),
        exposures=sum(line["kind"] == "exposure" for line in lines),
        unit=np.array([number[line["unit"]] for line in outcomes], np.intp),
        failed=np.array([not one for one in ok], np.float64),
        total_ms=_floats(line["total_ms"] if one else None for line, one in zip(outcomes, ok, strict=True)),
        quality=_floats(line.get("quality") for line in outcomes),
        rating=_floats(ratings.get(line["request_id"]) for line in outcomes),
    )


def _floats(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)
