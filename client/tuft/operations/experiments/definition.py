"""The definition of an experiment: variants and their weights, read from a TOML file and validated."""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tuft.errors import OptionError
from tuft.operations.experiments.assignment import share_of, weighted_choice
from tuft.presets import DEFAULT_PRESET, Refinement, preset_from_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

HOLDOUT: Final = "holdout"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # also part of file names


@dataclass(frozen=True)
class Variant:
    """One variant of an experiment; attributes that are None keep the client's value.

    Attributes:
        name: Unique name within the experiment.
        weight: Share of the participating units, relative to the weights of the other variants; 0 takes no new units.
        preset: Name of a preset, one of `tuft.PRESETS`.
        refine: Refinement, instead of the preset's.
        model: Name of a served model, instead of the preset's.
        version: Version of the model.
        url: gRPC address of another server.

    Raises:
        OptionError: A value is out of its range.
    """

    name: str
    weight: float = 1.0
    preset: str | None = None
    refine: Refinement | None = None
    model: str | None = None
    version: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        _require_name(self.name, "variant")
        if self.name == HOLDOUT:
            raise OptionError(f"{HOLDOUT!r} is the group that takes no part: give the variant another name.")
        if not (self.weight >= 0 and math.isfinite(self.weight)):
            raise OptionError(f"The variant {self.name} has weight {self.weight}: give a number from zero.")
        preset_from_name(self.preset or DEFAULT_PRESET, refine=self.refine)


@dataclass(frozen=True)
class Assignment:
    """The assignment of a unit.

    Attributes:
        variant: The variant; None for the holdout, which is served as if there were no experiment.
        forced: Whether the experiment names the unit explicitly; such units are excluded from the analysis.
    """

    variant: Variant | None
    forced: bool = False

    @property
    def name(self) -> str:
        """The variant's name, or `holdout`."""
        return self.variant.name if self.variant else HOLDOUT


@dataclass(frozen=True)
class Experiment:
    """Variants to compare, and the rule that assigns one of them to each unit.

    Attributes:
        name: Name of the experiment. It salts the assignment: another name assigns units independently.
        variants: At least two, with unique names.
        control: Name of the variant that the others are compared with.
        planned_units: Number of units for the comparison, fixed before the first request (`docs/experiments.md`).
        holdout: Share of the units that do not take part, 0 <= holdout < 1.
        forced: From units to the names of the variants that they are always given.

    Raises:
        OptionError: A value is out of its range.
    """

    name: str
    variants: tuple[Variant, ...]
    control: str
    planned_units: int
    holdout: float = 0.0
    forced: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "forced", MappingProxyType(dict(self.forced)))
        _require_name(self.name, "experiment")
        names = [variant.name for variant in self.variants]
        if len(names) < 2 or len(set(names)) < len(names) or not any(variant.weight for variant in self.variants):
            raise OptionError(
                f"{self.name} compares nothing: give two variants or more, of different names and weight."
            )
        for what, name in (("control", self.control), *(("variant forced", name) for name in self.forced.values())):
            if name not in names:
                raise OptionError(f"{self.name} has no {what} {name!r}: name one of {', '.join(names)}.")
        if self.planned_units < len(names):
            raise OptionError(f"{self.planned_units} units planned are too few: give one for each variant at least.")
        if not 0 <= self.holdout < 1:
            raise OptionError(f"A holdout of {self.holdout} leaves nobody: give a share from 0 to below 1.")

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Experiment:
        """Reads an experiment as `docs/experiments.md` describes it.

        Raises:
            OptionError: The file cannot be read, is not TOML, or has an invalid setting.
        """
        try:
            return _experiment(tomllib.loads(Path(path).read_text("utf-8")))
        except OSError as exc:
            raise OptionError(f"{path} cannot be read ({exc.strerror}): name the file of an experiment.") from exc
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            raise OptionError(f"{path} is no TOML ({exc}): correct it.") from exc
        except OptionError as exc:
            raise OptionError(f"{path}: {exc}") from exc

    def assign(self, unit: str) -> Assignment:
        """The assignment of a unit. It never changes, except that units move to a variant whose weight grows.

        Args:
            unit: The key of the unit, such as a customer number; requests that belong together have the same key.
        """
        if unit in self.forced:
            return Assignment(self._named(self.forced[unit]), forced=True)
        if share_of(unit, f"{self.name}/{HOLDOUT}") < self.holdout:
            return Assignment(None)
        return Assignment(
            self._named(weighted_choice(unit, self.name, {one.name: one.weight for one in self.variants}))
        )

    @property
    def shares(self) -> dict[str, float]:
        """Share of the units that are not forced, by variant; the holdout's too if there is one."""
        whole = sum(variant.weight for variant in self.variants)
        shares = {variant.name: (1 - self.holdout) * variant.weight / whole for variant in self.variants}
        return {**shares, HOLDOUT: self.holdout} if self.holdout else shares

    def _named(self, name: str) -> Variant:
        return next(variant for variant in self.variants if variant.name == name)


def _require_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise OptionError(
            f"{name!r} cannot be the name of {'an' if what[0] in 'ae' else 'a'} {what}: "
            "take at most 64 letters, digits, - and _, and begin with a letter or a digit."
        )


_TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = MappingProxyType(
    {
        "str": ((str,), "a text in quotes"),
        "str | None": ((str,), "a text in quotes"),
        "Refinement | None": ((str,), "a text in quotes"),
        "int": ((int,), "a whole number"),
        "float": ((int, float), "a number"),
        "Mapping[str, str]": ((dict,), "a table"),
        "tuple[Variant, ...]": ((dict,), "a table for each variant"),
    }
)


def _experiment(table: dict[str, Any]) -> Experiment:
    values = _checked(table, Experiment, "")
    variants = []
    for name, settings in values.pop("variants").items():
        where = f"variants.{name}."
        if not isinstance(settings, dict):
            raise OptionError(f"{where[:-1]} is no table: write [{where[:-1]}] above its settings.")
        variants.append(Variant(**_checked({"name": name, **settings}, Variant, where)))
    for unit, name in values.get("forced", {}).items():
        if not isinstance(name, str):
            raise OptionError(f"forced.{unit} is {name!r}: set it to the name of a variant.")
    values.setdefault("control", variants[0].name if variants else "")
    return Experiment(variants=tuple(variants), **values)


def _checked(table: dict[str, Any], kind: type[Experiment] | type[Variant], where: str) -> dict[str, Any]:
    """Returns `table` if its keys are attributes of `kind`, its values have their types and none is missing."""
    types = {one.name: str(one.type) for one in fields(kind)}
    for key, value in table.items():
        if key not in types:
            raise OptionError(f"There is no setting {where}{key}: {_nearest(key, types)}.")
        fitting, expected = _TYPES[types[key]]
        if not isinstance(value, fitting) or isinstance(value, bool):
            raise OptionError(f"{where}{key} is {value!r}: set it to {expected}.")
    for key in ("name", "variants", "planned_units") if kind is Experiment else ("name",):
        if key not in table:
            raise OptionError(f"The setting {where}{key} is missing: set it to {_TYPES[types[key]][1]}.")
    return table


def _nearest(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"write {close[0]}, or leave it out" if close else f"choose one of {', '.join(known)}"
