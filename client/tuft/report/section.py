"""One exhibit as HTML: the viewer, its layers as small pictures, and what is known beside them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from tuft.report.escaping import escaped
from tuft.report.exhibit import Reduced
from tuft.report.times import run_row

if TYPE_CHECKING:
    from tuft.report.exhibit import Exhibit, Layer

_VERDICTS: Final = {"pass": "passed", "fail": "failed"}
_KINDS: Final = {"RGB": "photo", "L": "alpha", "RGBA": "cutout"}

_ZOOM: Final = (
    '<div class="group zoom" role="group" aria-label="Zoom">'
    '<button type="button" data-zoom="out" aria-label="Zoom out">−</button>'
    '<output aria-label="Zoom">1×</output>'
    '<button type="button" data-zoom="in" aria-label="Zoom in">+</button></div>'
)
_BACKDROPS: Final = (
    '<div class="group backdrops" role="group" aria-label="Backdrop">'
    '<button type="button" class="swatch checker" data-backdrop="checker" aria-pressed="true" '
    'aria-label="Checkerboard" title="Checkerboard"></button>'
    '<button type="button" class="swatch black" data-backdrop="black" aria-pressed="false" '
    'aria-label="Black" title="Black"></button>'
    '<button type="button" class="swatch white" data-backdrop="white" aria-pressed="false" '
    'aria-label="White" title="White"></button>'
    '<label class="swatch" title="A colour"><input type="color" value="#3d7d6e" aria-label="A colour"></label></div>'
)


def section(exhibit: Exhibit, long_side_px: int) -> str:
    """The exhibit, its pictures reduced to `long_side_px` unless they are already."""
    aside = "".join(run_row(run) for run in exhibit.runs) + _figures(exhibit)
    status = f' data-status="{exhibit.status}"' if exhibit.status else ""
    return (
        f'<section class="exhibit"{status}>{_head(exhibit)}<div class="body">'
        f"{_look(exhibit, long_side_px)}{f'<aside>{aside}</aside>' if aside else ''}</div></section>"
    )


def _head(exhibit: Exhibit) -> str:
    badge = (
        f'<span class="badge {exhibit.status}">{_VERDICTS[exhibit.status]}</span>' if exhibit.status is not None else ""
    )
    size = "{} × {}".format(*exhibit.layers[0].full_size) if exhibit.layers else ""
    note = f'<p class="note soft">{escaped(exhibit.note)}</p>' if exhibit.note else ""
    return f'<div class="head"><h2>{escaped(exhibit.name)}</h2>{badge}<span class="size soft">{size}</span>{note}</div>'


def _look(exhibit: Exhibit, long_side_px: int) -> str:
    if not exhibit.layers:
        return ""
    thumbs = "".join(_thumb(layer, number, long_side_px) for number, layer in enumerate(exhibit.layers))
    return f'<div class="look">{_viewer(exhibit)}<div class="layers">{thumbs}</div></div>'


def _viewer(exhibit: Exhibit) -> str:
    """Empty panes: the script shows in them what the small pictures hold, so that nothing is inlined twice."""
    width, height = exhibit.layers[0].full_size
    left, right = exhibit.shown
    focus = f' data-focus="{",".join(f"{value:g}" for value in exhibit.focus)}"' if exhibit.focus else ""
    return (
        f'<div class="viewer" style="--ratio:{width / height:.5f}"{focus}><div class="stage">'
        '<div class="pane right"></div><div class="pane left"></div>'
        f'<input class="cut" type="range" min="0" max="100" step="0.1" value="50" '
        f'aria-label="{escaped(exhibit.name)}: how far the left layer reaches"><span class="divider"></span></div>'
        f'<div class="tools">{_choice("left", exhibit, left)}{_ZOOM}{_BACKDROPS}{_choice("right", exhibit, right)}'
        "</div></div>"
    )


def _choice(side: str, exhibit: Exhibit, chosen: int) -> str:
    options = "".join(
        f'<option value="{number}"{" selected" if number == chosen else ""}>{escaped(layer.name)}</option>'
        for number, layer in enumerate(exhibit.layers)
    )
    return (
        f'<label class="choice {side}"><span>{side}</span>'
        f'<select data-side="{side}" autocomplete="off">{options}</select></label>'
    )


def _thumb(layer: Layer, number: int, long_side_px: int) -> str:
    picture = layer.reduced(long_side_px).picture
    assert isinstance(picture, Reduced)
    width, height = picture.size
    name = escaped(layer.name)
    data = base64.b64encode(picture.webp).decode()
    return (
        f'<button type="button" class="layer {_KINDS[picture.mode]}" data-layer="{number}" aria-pressed="false">'
        f'<img src="data:image/webp;base64,{data}" width="{width}" height="{height}" alt="{name}" decoding="async">'
        f"<span>{name}</span></button>"
    )


def _figures(exhibit: Exhibit) -> str:
    rows = "".join(
        f"<tr><th>{escaped(measure)}</th><td>{escaped(value)}</td></tr>" for measure, value in exhibit.figures.items()
    )
    return f'<table class="figures">{rows}</table>' if rows else ""
