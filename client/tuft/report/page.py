"""The page: exhibits as HTML, with everything that it needs inside."""

from __future__ import annotations

import base64
import hashlib
import math
from importlib import resources
from typing import TYPE_CHECKING, Final

from tuft.report.escaping import escaped
from tuft.report.section import section
from tuft.report.times import legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft.report.exhibit import Exhibit

LONG_SIDE_PX: Final = 1280
_SMALLEST_PX: Final = 480
_FEW: Final = 24  # up to here every exhibit has `LONG_SIDE_PX`; more share the pixels that these would have

_HINT: Final = (
    "Drag across a picture to compare. Pinch, or Ctrl and the wheel, to zoom; then drag to look around. "
    "Double click for the whole."
)


def html_report(exhibits: Sequence[Exhibit], *, title: str, subtitle: str, long_side_px: int = LONG_SIDE_PX) -> str:
    """One page that needs nothing but itself: pictures, style and script are inside, and it may load nothing else.

    Args:
        exhibits: Shown in this order.
        title: The heading.
        subtitle: One sentence below.
        long_side_px: What pictures are reduced to that have not been yet; see `fitting_px` for many.

    Returns:
        HTML that can be encoded as UTF-8, whatever the names are.
    """
    style, script = _packaged("page.css") + _packaged("viewer.css"), _packaged("page.js")
    sections = "\n".join(section(exhibit, long_side_px) for exhibit in exhibits)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escaped(title)}</title>\n<link rel="icon" href="data:,">\n<style>{style}</style>\n'
        f"</head>\n<body>\n{_header(exhibits, title, subtitle)}\n<main>\n{sections or _NOTHING}\n</main>\n"
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


_NOTHING: Final = '<p class="soft">There is nothing to show.</p>'


def fitting_px(count: int) -> int:
    """The long side with which the pictures of `count` exhibits make a page that a browser opens without effort."""
    return max(_SMALLEST_PX, round(LONG_SIDE_PX * math.sqrt(_FEW / max(count, _FEW))))


def _packaged(name: str) -> str:
    return (resources.files("tuft.report") / name).read_text("utf-8")


def _policy(script: str) -> str:
    """Nothing is loaded and no other script runs, even if a name got past the escaping."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _header(exhibits: Sequence[Exhibit], title: str, subtitle: str) -> str:
    stages = {stage for exhibit in exhibits for run in exhibit.runs for stage, ms in run.milliseconds.items() if ms}
    hint = f'<p class="hint soft">{_HINT}</p>' if any(exhibit.layers for exhibit in exhibits) else ""
    return (
        f'<header class="top"><h1>{escaped(title)}</h1><p class="soft">{escaped(subtitle)}</p>'
        f"{_tally(exhibits)}{legend(stages)}{hint}</header>"
    )


def _tally(exhibits: Sequence[Exhibit]) -> str:
    """How many passed and failed, and the button that leaves only the failures, where there are some."""
    verdicts = [exhibit.status for exhibit in exhibits]
    told = [
        f'<span class="badge {status}">{verdicts.count(status)} {word}</span>'
        for status, word in (("pass", "passed"), ("fail", "failed"))
        if status in verdicts
    ]
    if "fail" in verdicts:
        told.append('<button class="button" id="failures" type="button" aria-pressed="false">Failures only</button>')
    return f'<p class="tally">{"".join(told)}</p>' if told else ""
