"""The results of an experiment as a page: warnings, figures, and each difference drawn with its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft.operations.experiments.analysis import comparison_rows, figure_rows
from tuft.report.frame import render_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuft.operations.experiments.analysis import Comparison, Summary
    from tuft.operations.experiments.log import Arm

_WIDTH, _ROW, _MARGIN = 640, 34, 16  # pixels
_NAMES: Final = 250  # x at which the names of comparisons end and their intervals begin, pixels
_END: Final = _WIDTH - _MARGIN
_CURVE_HEIGHT: Final = 260
_CURVE_LEFT: Final = 48  # room for the labels of the vertical axis, pixels
_CURVE_TOP: Final = 10
_CURVE_MARKS: Final = (0.25, 0.5, 0.75, 0.95)  # shares with a label, as the table has p50 and p95
_CURVE_POINTS: Final = 200
_COLOURS: Final = ("#23675c", "#fb8500", "#219ebc", "#b5838d", "#90be6d", "#6d6875", "#ffb703", "#8ecae6")


def html_page(summary: Summary) -> str:
    """Makes a self-contained page without scripts."""
    log = summary.log
    state = "the plan is reached" if summary.is_final else "not final"
    subtitle = f"{summary.progress}: {state}. The control is {log.control}. {summary.left_out}".strip()
    return render_page(
        "tuft.operations.experiments",
        "experiment.html.j2",
        title=f"Experiment {log.experiment}",
        subtitle=subtitle,
        styles=("page.css",),
        warnings=summary.warnings,
        control=log.control,
        comparison_rows=comparison_rows(summary),
        figure_rows=figure_rows(summary),
        forest=_forest(summary.comparisons),
        latency=_latency(list(log.arms.values())),
    )


def _forest(comparisons: Sequence[Comparison]) -> Mapping[str, Any]:
    """The forest plot: one row for each comparison. Each metric has its own scale, because their units differ."""
    reach: dict[str, float] = {}
    for one in comparisons:
        bounds = (abs(bound) for bound in (one.difference.low, one.difference.high) if math.isfinite(bound))
        reach[one.metric.name] = max(reach.get(one.metric.name, 0.0), *bounds, abs(one.difference.value))
    height = _ROW * (len(comparisons) + 1)
    return {
        "width": _WIDTH,
        "height": height,
        "bottom": height - _ROW,
        "names": _NAMES,
        "zero": (_NAMES + _END) / 2,
        "end": _END,
        "rows": [
            _forest_row(one, number, 1.1 * reach[one.metric.name] or 1.0) for number, one in enumerate(comparisons)
        ],
    }


def _forest_row(one: Comparison, number: int, reach: float) -> Mapping[str, Any]:
    """One row; `reach` is the difference at the frame."""
    sign = 1 if one.metric.more_is_better else -1
    value, low, high = (sign * bound for bound in (one.difference.value, one.difference.low, one.difference.high))
    middle, half = (_NAMES + _END) / 2, (_END - _NAMES) / 2
    left, point, right = sorted(middle + half * min(max(bound / reach, -1), 1) for bound in (low, value, high))
    return {
        "name": f"{one.metric.name}, {one.variant}",
        "verdict": one.verdict,
        "difference": one.metric.format(one.difference.value, signed=True),
        "y": _ROW * number + _ROW / 2,
        "left": f"{left:.1f}",
        "point": f"{point:.1f}",
        "right": f"{right:.1f}",
    }


def _latency(arms: Sequence[Arm]) -> Mapping[str, Any] | None:
    """The empirical distribution of the latency in each arm: the share of requests answered within a time."""
    answered = {arm.name: np.sort(arm.total_ms[~np.isnan(arm.total_ms)]) for arm in arms}
    answered = {name: times for name, times in answered.items() if len(times)}
    if not answered:
        return None
    longest_ms = max(float(np.quantile(times, 0.99)) for times in answered.values()) or 1.0
    bottom, shares = _CURVE_HEIGHT - 44, np.linspace(0, 0.99, _CURVE_POINTS)

    def height(share: float) -> float:
        return bottom - (bottom - _CURVE_TOP) * share

    curves = []
    for number, (name, times) in enumerate(answered.items()):
        x = _CURVE_LEFT + (_END - _CURVE_LEFT) * np.minimum(np.quantile(times, shares) / longest_ms, 1)
        points = " ".join(f"{px:.1f},{height(share):.1f}" for px, share in zip(x, shares, strict=True))
        curves.append({"name": name, "colour": _COLOURS[number % len(_COLOURS)], "points": points})
    return {
        "width": _WIDTH,
        "height": _CURVE_HEIGHT,
        "bottom": bottom,
        "left": _CURVE_LEFT,
        "middle": (_CURVE_LEFT + _END) / 2,
        "centre": (bottom + _CURVE_TOP) / 2,
        "top": _CURVE_TOP,
        "end": _END,
        "marks": [{"label": f"{share:.0%}", "y": round(height(share), 1)} for share in _CURVE_MARKS],
        "longest_ms": longest_ms,
        "curves": curves,
    }
