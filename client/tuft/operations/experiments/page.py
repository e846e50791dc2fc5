"""The report as one page: warnings, figures, and every difference drawn with its interval."""

from __future__ import annotations

import html
import math
from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np

from tuft.operations.experiments.analysis import comparison_rows, figure_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft.operations.experiments.analysis import Comparison, Summary
    from tuft.operations.experiments.log import Arm

_WIDTH, _ROW, _MARGIN = 640, 34, 16  # pixels
_NAMES: Final = 250  # where the names of comparisons end and their intervals begin, pixels
_CURVE_HEIGHT: Final = 240
_CURVE_POINTS: Final = 200
_COLOURS: Final = ("#23675c", "#fb8500", "#219ebc", "#b5838d", "#90be6d", "#6d6875", "#ffb703", "#8ecae6")


def html_page(summary: Summary) -> str:
    """One page that needs nothing but itself and may load nothing."""
    log = summary.log
    style = (resources.files("tuft.operations.experiments") / "page.css").read_text("utf-8")
    title = f"Experiment {log.experiment}"
    state = "the plan is reached" if summary.is_final else "not final"
    subtitle = f"{log.units} of {log.planned_units} units planned: {state}. The control is {log.control}."
    if log.forced_units:
        subtitle += f" {log.forced_units} forced units are left out."
    warnings = "".join(f'<p class="warning">{_escaped(warning)}</p>' for warning in summary.warnings)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{_escaped(title)}</title>\n<link rel="icon" href="data:,">\n<style>{style}</style>\n</head>\n<body>\n'
        f'<header><h1>{_escaped(title)}</h1><p class="soft">{_escaped(subtitle)}</p></header>\n<main>\n{warnings}\n'
        f"<h2>Differences to {_escaped(log.control)}</h2>\n{_forest(summary.comparisons)}\n"
        f"{_table(comparison_rows(summary))}\n<h2>Figures</h2>\n{_table(figure_rows(summary))}\n"
        f"<h2>Latency</h2>\n{_curves(list(log.arms.values()))}\n</main>\n</body>\n</html>\n"
    )


def _escaped(text: str) -> str:
    return html.escape(text.encode("utf-8", "backslashreplace").decode())


def _table(rows: Sequence[Sequence[str]]) -> str:
    heading, *body = rows
    head = "".join(f"<th>{_escaped(cell)}</th>" for cell in heading)
    lines = "".join(
        f'<tr class="{_escaped(row[-1])}">' + "".join(f"<td>{_escaped(cell)}</td>" for cell in row) + "</tr>"
        for row in body
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _forest(comparisons: Sequence[Comparison]) -> str:
    """One row a comparison; right is better, and each metric has a scale of its own, since their units differ."""
    reach: dict[str, float] = {}
    for one in comparisons:
        bounds = (abs(bound) for bound in (one.difference.low, one.difference.high) if math.isfinite(bound))
        reach[one.metric.name] = max(reach.get(one.metric.name, 0.0), *bounds, abs(one.difference.value))
    rows = "".join(
        _forest_row(one, number, 1.1 * reach[one.metric.name] or 1.0) for number, one in enumerate(comparisons)
    )
    height = _ROW * (len(comparisons) + 1)
    zero = (_NAMES + _WIDTH - _MARGIN) / 2
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Differences with their intervals">'
        f'<line class="axis" x1="{zero}" x2="{zero}" y1="0" y2="{height - _ROW}"/>{rows}'
        f'<text class="soft" x="{_NAMES}" y="{height - 12}">worse</text>'
        f'<text class="soft" x="{_WIDTH - _MARGIN}" y="{height - 12}" text-anchor="end">better</text></svg>'
    )


def _forest_row(one: Comparison, number: int, reach: float) -> str:
    sign = 1 if one.metric.more_is_better else -1
    value, low, high = (sign * bound for bound in (one.difference.value, one.difference.low, one.difference.high))
    middle, half = (_NAMES + _WIDTH - _MARGIN) / 2, (_WIDTH - _MARGIN - _NAMES) / 2
    left, point, right = sorted(middle + half * min(max(bound / reach, -1), 1) for bound in (low, value, high))
    y = _ROW * number + _ROW / 2
    told = one.metric.format(one.difference.value, signed=True)
    return (
        f'<g class="{one.verdict}"><text x="0" y="{y + 5}">{_escaped(one.metric.name)}, {_escaped(one.variant)}</text>'
        f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y}" y2="{y}"/>'
        f'<circle cx="{point:.1f}" cy="{y}" r="5"><title>{_escaped(told)}</title></circle></g>'
    )


def _curves(arms: Sequence[Arm]) -> str:
    """For each arm the share of requests that were answered within a time: its empirical distribution."""
    answered = {arm.name: np.sort(arm.total_ms[~np.isnan(arm.total_ms)]) for arm in arms}
    answered = {name: times for name, times in answered.items() if len(times)}
    if not answered:
        return '<p class="soft">No request was answered.</p>'
    longest_ms = max(float(np.quantile(times, 0.99)) for times in answered.values()) or 1.0
    bottom, right = _CURVE_HEIGHT - 24, _WIDTH - _MARGIN
    lines, legend = "", ""
    for number, (name, times) in enumerate(answered.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        shares = np.linspace(0, 0.99, _CURVE_POINTS)
        x = right * np.minimum(np.quantile(times, shares) / longest_ms, 1)
        points = " ".join(f"{px:.1f},{bottom * (1 - share):.1f}" for px, share in zip(x, shares, strict=True))
        lines += f'<polyline points="{points}" style="stroke:{colour}"><title>{_escaped(name)}</title></polyline>'
        legend += f'<span><i style="background:{colour}"></i>{_escaped(name)}</span>'
    return (
        f'<p class="legend soft">{legend}</p><svg viewBox="0 0 {_WIDTH} {_CURVE_HEIGHT}" role="img" '
        f'aria-label="Share of requests answered by milliseconds">'
        f'<line class="axis" x1="0" x2="{right}" y1="{bottom}" y2="{bottom}"/>{lines}'
        f'<text class="soft" x="0" y="{_CURVE_HEIGHT - 6}">0 ms</text>'
        f'<text class="soft" x="{right}" y="{_CURVE_HEIGHT - 6}" text-anchor="end">{longest_ms:.0f} ms</text></svg>'
    )
