"""Where the time went: a coloured bar for each run, and what the colours mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuft.report.escaping import escaped, link_to

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tuft.report.exhibit import Run

# One colour a stage, apart in hue and in lightness.
_STAGE_COLOURS: Final = {
    "decode": "#8ecae6", "resize": "#219ebc", "network": "#fb8500", "postprocess": "#ffb703",
    "refine": "#2a9d8f", "colours": "#90be6d", "compose": "#b5838d", "encode": "#6d6875",
}  # fmt: skip
_ANY_OTHER: Final = "#999999"


def legend(stages: Collection[str]) -> str:
    """The colours of those `stages` that have one of their own, in the order of the work."""
    keys = "".join(
        f'<span><i style="background:{colour}"></i>{stage}</span>'
        for stage, colour in _STAGE_COLOURS.items()
        if stage in stages
    )
    return f'<p class="legend soft">{keys}</p>' if keys else ""


def run_row(run: Run) -> str:
    """The run's name and total, its bar, the milliseconds folded away, its note and the way to its file."""
    spent = {stage: ms for stage, ms in run.milliseconds.items() if ms > 0}
    link = f'<a href="{link_to(run.href)}">full size</a>' if run.href else ""
    note = f'<p class="soft">{escaped(run.note)}</p>' if run.note else ""
    return f'<div class="run"><p class="line"><b>{escaped(run.name)}</b>{link}</p>{_bar(spent)}{note}</div>'


def _bar(spent: Mapping[str, float]) -> str:
    total_ms = sum(spent.values())
    if not total_ms:
        return ""
    parts = "".join(
        f'<i style="flex:{ms / total_ms:.4f};background:{_STAGE_COLOURS.get(stage, _ANY_OTHER)}" '
        f'title="{escaped(stage)} {ms:.0f} ms"></i>'
        for stage, ms in spent.items()
    )
    rows = "".join(f"<tr><th>{escaped(stage)}</th><td>{ms:.0f} ms</td></tr>" for stage, ms in spent.items())
    return (
        f'<div class="bar" aria-hidden="true">{parts}</div>'
        f"<details><summary>{total_ms / 1000:.2f} s</summary><table>{rows}</table></details>"
    )
