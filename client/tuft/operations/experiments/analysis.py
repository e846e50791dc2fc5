"""What an experiment has shown so far, and what forbids to believe it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tuft.operations.experiments.log import Arm, Log

_Estimate = Callable[["NDArray[np.float64]", "NDArray[np.intp]", float], Interval]


@dataclass(frozen=True)
class Metric:
    """A figure that variants are compared by.

    Attributes:
        name: For people.
        column: Which column of an `Arm` it is of; values that are NaN do not count.
        estimate: From values, units and the critical value to the figure.
        more_is_better: Which way is good.
        form: How to write it, for `format`; a difference as well.
        unit: What follows the number.
    """

    name: str
    column: str
    estimate: _Estimate
    more_is_better: bool
    form: str
    unit: str = ""

    def of(self, arm: Arm, critical: float) -> Interval | None:
        """The figure of an arm; None with fewer than two units that have a value."""
        values = getattr(arm, self.column)
        known = ~np.isnan(values)
        if len(np.unique(arm.unit[known])) < 2:
            return None
        return self.estimate(values[known], arm.unit[known], critical)

    def told(self, value: float, *, signed: bool = False) -> str:
        """The value with its unit; a difference of percentages in points."""
        text = f"{value:{'+' if signed else ''}{self.form}}{self.unit}"
        return text.replace("%", " points") if signed else text


def _quantile(quantile: float) -> _Estimate:
    return lambda values, unit, critical: quantile_interval(values, unit, quantile, critical)


METRICS: Final = (
    Metric("errors", "failed", proportion_interval, False, ".2%"),
    Metric("p50 latency", "total_ms", _quantile(0.5), False, ".0f", " ms"),
    Metric("p95 latency", "total_ms", _quantile(0.95), False, ".0f", " ms"),
    Metric("quality", "quality", mean_interval, True, ".4f"),
    Metric("rating", "rating", mean_interval, True, ".2f"),
)


@dataclass(frozen=True)
class Comparison:
    """One metric of one variant against the control's.

    Attributes:
        metric: Which.
        variant: Whose.
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
    """All that a report says.

    Attributes:
        log: What it was made from.
        figures: By name of the metric, then of the arm.
        comparisons: Metric by metric, variant by variant.
        warnings: Sentences; the figures are to be read with them in mind.
    """

    log: Log
    figures: Mapping[str, Mapping[str, Interval]]
    comparisons: Sequence[Comparison]
    warnings: Sequence[str]

    @property
    def is_final(self) -> bool:
        """Whether as many units were seen as were planned."""
        return self.log.units >= self.log.planned_units


def summarise(log: Log) -> Summary:
    """Compares every variant with the control, metric by metric.

    Raises:
        OptionError: No unit of the control was seen, or none of another variant.
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
    tests = (_mismatch, _plan, _changed, _mixed, _unanswered, _unreadable)
    return [warning for warning in (test(log) for test in tests) if warning]


def _mismatch(log: Log) -> str:
    observed = {name: arm.units for name, arm in log.arms.items()}
    p = mismatch_p(observed, log.expected_units)
    if p >= SRM_ALPHA:
        return ""
    told = ", ".join(f"{name} {n} of {log.expected_units.get(name, 0):.0f}" for name, n in observed.items())
    return (
        f"Sample-ratio mismatch: the arms did not get the units that their weights say ({told}; p = {p:.1g}). Whatever "
        "loses units of one arm bends every figure: find it before you believe any."
    )


def _plan(log: Log) -> str:
    if log.units >= log.planned_units:
        return ""
    return (
        f"Only {log.units} of the {log.planned_units} units planned have been seen. Intervals are wider until then "
        f"({1 - EARLY_ALPHA:.0%}, valid however often you look), so that an early look does no harm; those of "
        f"{1 - ALPHA:.0%} come with the last unit. What is open now is no proof of equality."
    )


def _changed(log: Log) -> str:
    if log.definitions == 1:
        return ""
    return (
        f"The experiment was changed while it ran ({log.definitions} definitions): where weights changed, variants saw "
        "different days. Start a new one under a new name to be sure."
    )


def _mixed(log: Log) -> str:
    return f"{log.mixed_units} units were given more than one variant and are left out." if log.mixed_units else ""


def _unanswered(log: Log) -> str:
    lost = [f"{name} {arm.unanswered} of {arm.exposures}" for name, arm in log.arms.items() if arm.unanswered]
    return f"Requests without an outcome, under way or lost with their process: {', '.join(lost)}." if lost else ""


def _unreadable(log: Log) -> str:
    return f"{log.unreadable_lines} lines could not be read and are left out." if log.unreadable_lines else ""


def text(summary: Summary) -> str:
    """The report for a terminal."""
    log = summary.log
    parts = [f"{log.experiment}: {log.units} of {log.planned_units} units planned, control {log.control}"]
    parts += [f"! {warning}" for warning in summary.warnings]
    parts += [_aligned(figure_rows(summary)), _aligned(comparison_rows(summary))]
    if log.forced_units:
        parts.append(f"{log.forced_units} forced units are left out.")
    return "\n\n".join(part for part in parts if part)


def figure_rows(summary: Summary) -> list[list[str]]:
    """A heading, then a row for each arm: counts and figures."""
    rows = [["variant", "units", "requests", *(metric.name for metric in METRICS if summary.figures[metric.name])]]
    for name, arm in summary.log.arms.items():
        figures = [
            metric.told(of_arms[name].value) if name in of_arms else "–"
            for metric in METRICS
            if (of_arms := summary.figures[metric.name])
        ]
        rows.append([name, str(arm.units), str(len(arm.unit)), *figures])
    return rows


def comparison_rows(summary: Summary) -> list[list[str]]:
    """A heading, then a row for each comparison: the difference, its interval and the verdict."""
    rows = [["metric", "variant", f"minus {summary.log.control}", "interval", "verdict"]]
    for one in summary.comparisons:
        value, low, high = (
            one.metric.told(number, signed=True) if np.isfinite(number) else "?"
            for number in (one.difference.value, one.difference.low, one.difference.high)
        )
        rows.append([one.metric.name, one.variant, value, f"{low} to {high}", one.verdict])
    return rows


def _aligned(rows: Sequence[Sequence[Any]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
