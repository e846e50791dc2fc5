"""What recorders have written, gathered by variant."""

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
    """The requests of one variant's units, one row each; forced units are not among them.

    Attributes:
        name: The variant's, or `holdout`.
        units: How many units there are.
        exposures: How many requests began.
        unit: intp [n], whose request it was, 0 <= unit < units.
        failed: float64 [n], 1 if it ended in an error.
        total_ms: float64 [n], NaN if it did.
        quality: float64 [n], 0..1, NaN if nobody estimated it.
        rating: float64 [n], NaN if nobody gave one.
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
        """Requests that began and have no outcome: still under way, or their process has died."""
        return max(self.exposures - len(self.unit), 0)


@dataclass(frozen=True, eq=False)
class Log:
    """Everything that was recorded of one experiment.

    Attributes:
        experiment: Its name.
        control: Name of the variant that the others are compared with.
        planned_units: How many units were planned.
        arms: By name: the control, the other variants, the holdout at the end if there is one.
        expected_units: By name of the arm, how many of the units seen should be in it by their weights.
        definitions: How many different sets of shares, control and plan it was run with.
        mixed_units: Units that were given more than one variant; they are in no arm.
        forced_units: Units that the experiment names; they are in no arm.
        unreadable_lines: Torn by a crash, or not of a recorder.
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
        """All arms but the holdout, the control first."""
        return [arm for name, arm in self.arms.items() if name != HOLDOUT]

    @property
    def units(self) -> int:
        """How many units count towards the plan."""
        return sum(arm.units for arm in self.variants)


def read_log(paths: Iterable[Path]) -> Log:
    """Reads the files of one experiment, and those directly in the folders named.

    Raises:
        OptionError: A file cannot be read, or they hold no experiment, or more than one.
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


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else (path,)


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Each line that is not empty as a table, or None where it cannot be read."""
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
    last = max(lines, key=lambda line: str(line.get("at", "")))  # the definition that is in force
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
    """Every unit by the shares that were in force when it was first seen."""
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
