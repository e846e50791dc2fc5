"""The peers' plot: bars in an SVG that is the same wherever it is made."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMES_PX: Final = 170
_PANEL_PX: Final = 190
_BAR_PX: Final = 100
_ROW_PX: Final = 26
_TOP_PX: Final = 34
_OWN, _OTHERS = "#c2410c", "#94a3b8"


def bars(panels: Mapping[str, Mapping[str, tuple[float, str]]], own: str) -> str:
    """Panels of horizontal bars side by side, one row for each contestant.

    Args:
        panels: From each title to the value of each contestant, and its label.
        own: The contestant that stands out.
    """
    names = list(next(iter(panels.values())))
    width, height = _NAMES_PX + _PANEL_PX * len(panels), _TOP_PX + _ROW_PX * len(names) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13" fill="#1e293b">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(_text(_NAMES_PX - 10, row, name, name == own, anchor="end") for row, name in enumerate(names)),
    ]
    for place, (title, values) in enumerate(panels.items()):
        parts += _panel(_NAMES_PX + place * _PANEL_PX, title, [values[name] for name in names], names.index(own))
    return "\n".join([*parts, "</svg>", ""])


def _panel(left: int, title: str, values: Sequence[tuple[float, str]], own: int) -> list[str]:
    longest = max(value for value, _ in values)
    parts = [f'<text x="{left}" y="20" font-weight="bold">{escape(title)}</text>']
    for row, (value, label) in enumerate(values):
        length = max(value / longest * _BAR_PX, 1)
        top = _TOP_PX + row * _ROW_PX
        colour = _OWN if row == own else _OTHERS
        parts.append(f'<rect x="{left}" y="{top}" width="{length:.1f}" height="{_ROW_PX - 8}" fill="{colour}"/>')
        parts.append(_text(left + length + 6, row, label, row == own))
    return parts


def _text(x: float, row: int, text: str, own: bool, anchor: str = "start") -> str:
    weight = ' font-weight="bold"' if own else ""
    y = _TOP_PX + row * _ROW_PX + 14
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'
