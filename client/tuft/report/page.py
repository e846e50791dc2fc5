"""The report page: exhibits as HTML, with everything that it needs inlined."""

from __future__ import annotations

import base64
import math
import urllib.parse
from typing import TYPE_CHECKING, Final

from tuft.report.exhibit import Reduced
from tuft.report.frame import render_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft.report.exhibit import Exhibit, Layer, Run, Table

LONG_SIDE_PX: Final = 1280
_SMALLEST_PX: Final = 480
_FEW: Final = 24  # up to this number each exhibit gets `LONG_SIDE_PX`; more exhibits share the pixels of so many

_VERDICTS: Final = {"pass": "passed", "fail": "failed"}
_KINDS: Final = {"RGB": "photo", "L": "alpha", "RGBA": "cutout"}  # CSS classes of layers by mode

# One colour for each stage, which differ in hue and in lightness; in the order of the stages.
_STAGE_COLOURS: Final = {
    "decode": "#8ecae6", "resize": "#219ebc", "network": "#fb8500", "postprocess": "#ffb703",
    "refine": "#2a9d8f", "colours": "#90be6d", "compose": "#b5838d", "encode": "#6d6875",
}  # fmt: skip
_OTHER_COLOUR: Final = "#999999"


def html_report(
    exhibits: Sequence[Exhibit],
    *,
    title: str,
    subtitle: str,
    tables: Sequence[Table] = (),
    long_side_px: int = LONG_SIDE_PX,
) -> str:
    """Makes a self-contained page: pictures, style and script are inlined, and it may load nothing else.

    Args:
        exhibits: Shown in this order.
        title: The heading.
        subtitle: One sentence below the heading.
        tables: Shown above the exhibits.
        long_side_px: Long side of pictures that have not been reduced yet; see `fitting_px` for many exhibits.

    Returns:
        HTML that can be encoded as UTF-8, whatever names it contains.
    """
    statuses = [exhibit.status for exhibit in exhibits]
    stages = {stage for exhibit in exhibits for run in exhibit.runs for stage, ms in run.milliseconds.items() if ms}
    return render_page(
        "tuft.report",
        "report.html.j2",
        title=title,
        subtitle=subtitle,
        styles=("page.css", "viewer.css"),
        script="page.js",
        exhibits=exhibits,
        tables=tables,
        tally=[(key, f"{statuses.count(key)} {word}") for key, word in _VERDICTS.items() if key in statuses],
        has_failures="fail" in statuses,
        has_pictures=any(exhibit.layers for exhibit in exhibits),
        legend=[(stage, colour) for stage, colour in _STAGE_COLOURS.items() if stage in stages],
        verdicts=_VERDICTS,
        kinds=_KINDS,
        reduced=lambda layer: _reduced(layer, long_side_px),
        data_url=_data_url,
        focus=_focus,
        spent=_spent,
        colour=lambda stage: _STAGE_COLOURS.get(stage, _OTHER_COLOUR),
        link_to=_link_to,
    )


def fitting_px(count: int) -> int:
    """The long side of pictures with which a browser still opens a page of `count` exhibits without effort."""
    return max(_SMALLEST_PX, round(LONG_SIDE_PX * math.sqrt(_FEW / max(count, _FEW))))


def _reduced(layer: Layer, long_side_px: int) -> Reduced:
    picture = layer.reduced(long_side_px).picture
    assert isinstance(picture, Reduced)
    return picture


def _data_url(picture: Reduced) -> str:
    return f"data:image/webp;base64,{base64.b64encode(picture.webp).decode()}"


def _focus(exhibit: Exhibit) -> str:
    return ",".join(f"{value:g}" for value in exhibit.focus or ())


def _spent(run: Run) -> dict[str, float]:
    """The milliseconds of the stages that ran."""
    return {stage: ms for stage, ms in run.milliseconds.items() if ms > 0}


def _link_to(path: str) -> str:
    """The relative `path` as a URL that has no scheme, host, query or fragment, whatever characters it contains."""
    try:
        data = path.encode("utf-8", "surrogateescape")  # the bytes that the file system uses
    except UnicodeEncodeError:
        data = path.encode("utf-8", "backslashreplace")
    return urllib.parse.quote(data.lstrip(b"/"))
