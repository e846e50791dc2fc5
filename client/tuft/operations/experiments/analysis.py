"""Experiment results, and the reasons not to trust them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tuft.errors import OptionError
from tuft.operations.experiments.statistics import (
    ALPHA,
    EARLY_ALPHA,
    SRM_ALPHA,
    Interval,
    critical_value,
    difference,
    mean_interval,
    mismatch_p,
    proportion_interval,
    quantile_interval,
)
from tuft.text import aligned_table, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tuft.operations.experiments.log import Arm, Log

_Estimate = Callable[["NDArray[np.float64]", "NDArray[np.intp]", float], Interval]
_Point = Callable[["NDArray[np.float64]"], float]


@dataclass(frozen=True)
class Metric:
    """A metric that variants are compared by.

    Attributes:
        name: Name for display.
        column: Name of the column of `Arm` that it is computed from; NaN values are ignored.
        point: Computes the figure alone from values, for a single unit.
        estimate: Computes the figure with its interval from values, units and the critical value.
        more_is_better: Whether higher is better.
        form: Format specification of the figure and of differences.
        unit: Suffix of the number, such as ` ms`.
    """

    name: str
    column: str
    point: _Point
    estimate: _Estimate
    more_is_better: bool
    form: str
    unit: str = ""

    def of(self, arm: Arm, critical: float) -> Interval | None:
        """The figure of an arm: without bounds if one unit alone has values, None if none has."""
        values = getattr(arm, self.column)
        known = ~np.isnan(values)
        if not known.any():
            return None
        if len(np.unique(arm.unit[known])) == 1:  # no spread between units
            return Interval(self.point(values[known]), -math.inf, math.inf)
        return self.estimate(values[known], arm.unit[known], critical)

    def format(self, value: float, *, signed: bool = False) -> str:
        """A value with its unit as text; if `signed`, a difference, which is in points where values are percentages."""
        text = f"{value:{'+' if signed else ''}{self.form}}{self.unit}"
        return text.replace("%", " points") if signed else text


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _quantile(quantile: float) -> tuple[_Point, _Estimate]:
    return (
        lambda values: float(np.quantile(values, quantile)),
        lambda values, unit, critical: quantile_interval(values, unit, quantile, critical),
    )


METRICS: Final = (
    Metric("errors", "failed", _mean, proportion_interval, False, ".2%"),
    Metric("p50 latency", "total_ms", *_quantile(0.5), False, ".0f", " ms"),
    Metric("p95 latency", "total_ms", *_quantile(0.95), False, ".0f", " ms"),
    Metric("quality", "quality", _mean, mean_interval, True, ".4f"),
    Metric("rating", "rating", _mean, mean_interval, True, ".2f"),
)


@dataclass(frozen=True)
class Comparison:
    """One metric of one variant, compared with the control.

    Attributes:
        metric: The metric.
        variant: Name of the variant.
        difference: The variant's figure minus the control's.
    """

    metric: Metric
    variant: str
    difference: Interval

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `open`."""
        if not self.difference.excludes_zero:
            return "open"
        return "better" if (self.difference.value > 0) == self.metric.more_is_better else "worse"


@dataclass(frozen=True, eq=False)
class Summary:
    """The results of an experiment.

    Attributes:
        log: The recorded requests.
        figures: By name of the metric, then by name of the arm.
        comparisons: For each metric, one for each variant.
        warnings: Reasons not to trust the results, one sentence or more each.
    """

    log: Log
    figures: Mapping[str, Mapping[str, Interval]]
    comparisons: Sequence[Comparison]
    warnings: Sequence[str]

    @property
    def is_final(self) -> bool:
        """Whether the planned number of units has been seen."""
        return self.log.units >= self.log.planned_units

    @property
    def progress(self) -> str:
        """Units seen and planned, such as `22 units, 16 were planned`."""
        seen, planned = counted(self.log.units, "unit"), self.log.planned_units
        return f"{seen}, {planned} {'was' if planned == 1 else 'were'} planned"

    @property
    def left_out(self) -> str:
        """A sentence about forced units; empty if there are none."""
        return _excluded(self.log.forced_units, "unit", "had a forced variant") if self.log.forced_units else ""


def summarise(log: Log) -> Summary:
    """Compares every variant with the control in each metric.

    Raises:
        OptionError: No unit of the control has been seen, or none of any other variant.
        SetupError: SciPy is not installed.
    """
    control, *others = log.variants
    if not control.units or not any(arm.units for arm in others):
        raise OptionError(f"{log.experiment} has no units to compare yet: wait for some of {control.name} and another.")
    critical = critical_value(log.units, log.planned_units, len(others))
    figures: dict[str, dict[str, Interval]] = {}
    for metric in METRICS:
        of_arms = {name: metric.of(arm, critical) for name, arm in log.arms.items()}
        figures[metric.name] = {name: figure for name, figure in of_arms.items() if figure is not None}
    comparisons = [
        Comparison(metric, arm.name, difference(figures[metric.name][arm.name], figures[metric.name][control.name]))
        for metric in METRICS
        for arm in others
        if {arm.name, control.name} <= figures[metric.name].keys()
    ]
    return Summary(log, figures, comparisons, _warnings(log))


def _warnings(log: Log) -> list[str]:
    checks = (_mismatch, _plan, _changed, _mixed, _unanswered, _unreadable)
    return [warning for warning in (check(log) for check in checks) if warning]


def _mismatch(log: Log) -> str:
    observed = {name: arm.units for name, arm in log.arms.items()}
    p = mismatch_p(observed, log.expected_units)
    if p >= SRM_ALPHA:
        return ""
    counts = ", ".join(f"{name} {n} of {log.expected_units.get(name, 0):.0f}" for name, n in observed.items())
    return (
        f"Sample-ratio mismatch: the arms did not get the units that their weights say ({counts}; p = {p:.1g}). "
        "A cause that loses units of one arm biases every figure: find it before you trust any."
    )


def _plan(log: Log) -> str:
    if log.units >= log.planned_units:
        return ""
    seen = (
        f"{counted(log.units, 'unit')} of {log.planned_units} planned {'has' if log.units == 1 else 'have'} been seen"
    )
    return (
        f"Only {seen}. Until all have, intervals have a level of {1 - EARLY_ALPHA:.0%} and are valid at every look, so "
        f"early looks do no harm; then the level is {1 - ALPHA:.0%}. An open verdict is no proof of equality."
    )


def _changed(log: Log) -> str:
    if log.definitions == 1:
        return ""
    return (
        f"The experiment was changed while it ran ({log.definitions} definitions). If weights changed, variants were "
        "served on different days: start a new experiment under a new name to be sure."
    )


def _mixed(log: Log) -> str:
    return _excluded(log.mixed_units, "unit", "had more than one variant") if log.mixed_units else ""


def _unanswered(log: Log) -> str:
    lost = [f"{name} {arm.unanswered} of {arm.exposures}" for name, arm in log.arms.items() if arm.unanswered]
    return f"Requests without an outcome, in progress or lost with their process: {', '.join(lost)}." if lost else ""


def _unreadable(log: Log) -> str:
    return _excluded(log.unreadable_lines, "line", "could not be read") if log.unreadable_lines else ""


def _excluded(number: int, noun: str, what: str) -> str:
    return f"{counted(number, noun)} {what} and {'is' if number == 1 else 'are'} excluded."


def format_summary(summary: Summary) -> str:
    """The results as text for a terminal."""
    log = summary.log
    parts = [f"{log.experiment}: {summary.progress}, control {log.control}"]
    parts += [f"! {warning}" for warning in summary.warnings]
    parts += [aligned_table(figure_rows(summary)), aligned_table(comparison_rows(summary))]
    parts.append(summary.left_out)
    return "\n\n".join(part for part in parts if part)


def figure_rows(summary: Summary) -> list[list[str]]:
    """A header row, then a row for each arm with its counts and figures."""
    rows = [["variant", "units", "requests", *(metric.name for metric in METRICS if summary.figures[metric.name])]]
    for name, arm in summary.log.arms.items():
        figures = [
            metric.format(of_arms[name].value) if name in of_arms else "–"
            for metric in METRICS
            if (of_arms := summary.figures[metric.name])
        ]
        rows.append([name, str(arm.units), str(len(arm.unit)), *figures])
    return rows


def comparison_rows(summary: Summary) -> list[list[str]]:
    """A header row, then a row for each comparison with the difference, its interval and the verdict."""
    rows = [["metric", "variant", f"minus {summary.log.control}", "interval", "verdict"]]
    for one in summary.comparisons:
        value, low, high = (
            one.metric.format(number, signed=True) if np.isfinite(number) else "?"
            for number in (one.difference.value, one.difference.low, one.difference.high)
        )
        rows.append([one.metric.name, one.variant, value, f"{low} to {high}", one.verdict])
    return rows
