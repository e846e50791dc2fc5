"""One self-contained HTML page that shows photographs and their cut-outs side by side."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHOWN_PX: Final = 720  # longest side of an inlined picture

# One colour a stage, apart in hue and in lightness.
_STAGE_COLOURS: Final = {
    "decode": "#8ecae6", "resize": "#219ebc", "network": "#fb8500", "postprocess": "#ffb703",
    "refine": "#2a9d8f", "colours": "#90be6d", "compose": "#b5838d", "encode": "#6d6875",
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One photograph through one preset.

    Attributes:
        preset: What was asked for.
        note: What is worth knowing, such as the model that served it or why it failed.
        cutout: RGBA, or None where there is none.
        milliseconds: By stage, in order.
        href: Where the full-size file lies, relative to the page; None without one.
    """

    preset: str
    note: str
    cutout: Image.Image | None
    milliseconds: Mapping[str, float]
    href: str | None


@dataclass(frozen=True)
class Exhibit:
    """A photograph (RGB, upright), its name, and what became of it."""

    name: str
    photo: Image.Image
    results: Sequence[Result]


def html_page(exhibits: Sequence[Exhibit], *, subtitle: str) -> str:
    """The page as text: photograph, matte, cut-out on a checkerboard and on a colour, and the time per stage."""
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{stage}</span>' for stage, colour in _STAGE_COLOURS.items()
    )
    sections = "".join(_section(exhibit) for exhibit in exhibits)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>tuft: cut-outs</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>"
        f"<header><h1>tuft</h1><p>{html.escape(subtitle)}</p><p class=legend>{legend}</p></header>"
        f"<main>{sections}</main></body></html>\n"
    )


def _section(exhibit: Exhibit) -> str:
    width, height = exhibit.photo.size
    rows = "".join(_row(result) for result in exhibit.results)
    name = html.escape(exhibit.name)
    return (
        f'<section><aside><h2>{name}</h2><img src="{_inlined(exhibit.photo)}" alt="{name}, the photograph">'
        f"<p>{width} × {height}</p></aside><div class=rows>{rows}</div></section>"
    )


def _row(result: Result) -> str:
    head = f"<h3>{html.escape(result.preset)}</h3><p>{html.escape(result.note)}</p>{_times(result.milliseconds)}"
    if result.cutout is None:
        return f"<article><div class=head>{head}</div></article>"
    shown = _inlined(result.cutout)
    alt = f"cut-out, {html.escape(result.preset)}"
    figures = "".join(
        f'<figure class="{kind}"><img src="{src}" alt="{alt} {kind}"></figure>'
        for kind, src in (("matte", _inlined(result.cutout.getchannel("A"))), ("checker", shown), ("colour", shown))
    )
    link = f'<p><a href="{html.escape(result.href)}">full size</a></p>' if result.href else ""
    return f"<article><div class=head>{head}{link}</div>{figures}</article>"


def _times(milliseconds: Mapping[str, float]) -> str:
    total_ms = sum(milliseconds.values())
    if not total_ms:
        return ""
    bars = "".join(
        f'<i style="flex:{ms / total_ms:.4f};background:{_STAGE_COLOURS.get(stage, "#999")}" '
        f'title="{stage} {ms:.0f} ms"></i>'
        for stage, ms in milliseconds.items()
        if ms
    )
    rows = "".join(f"<tr><td>{stage}</td><td>{ms:.0f} ms</td></tr>" for stage, ms in milliseconds.items() if ms)
    return (
        f"<div class=bar>{bars}</div><details><summary>{total_ms / 1000:.2f} s</summary><table>{rows}</table></details>"
    )


def _inlined(image: Image.Image) -> str:
    """A data URL of the picture, reduced to `_SHOWN_PX`."""
    shown = image.copy()
    shown.thumbnail((_SHOWN_PX, _SHOWN_PX), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    shown.save(file, "WEBP", quality=88, method=2)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1d1d1f;--soft:#6e6e73;--paper:#fafaf8;--card:#fff;--line:#e3e3df}
@media(prefers-color-scheme:dark){:root{--ink:#f2f2ef;--soft:#a1a1a6;--paper:#161617;--card:#1f1f21;--line:#333336}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
header{padding:2.5rem 3vw 1rem}h1{margin:0;font-size:2.4rem;letter-spacing:-.03em}
header p{margin:.2rem 0;color:var(--soft)}
.legend span{margin-right:1rem;white-space:nowrap}
.legend i{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin-right:.35em}
section{display:grid;grid-template-columns:minmax(180px,22%) 1fr;gap:2rem;padding:2rem 3vw}
section{border-top:1px solid var(--line)}
aside{position:sticky;top:1rem;align-self:start}
aside img{width:100%;border-radius:8px}aside p{margin:.3rem 0;color:var(--soft)}
h2{margin:0 0 .6rem;font-size:1.2rem;overflow-wrap:anywhere}h3{margin:0;font-size:1rem}
article{display:grid;grid-template-columns:11rem repeat(3,1fr);gap:1rem;margin-bottom:1rem;align-items:start}
.head p{margin:.1rem 0 .5rem;color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}
figure{margin:0;border-radius:8px;overflow:hidden;background:var(--card);line-height:0}figure img{width:100%}
.checker{background:repeating-conic-gradient(#d7d7d7 0 25%,#fff 0 50%) 0/20px 20px}.colour{background:#3d7d6e}
.bar{display:flex;height:.55rem;border-radius:3px;overflow:hidden}.bar i{min-width:1px}
details{color:var(--soft);font-size:.85rem;font-variant-numeric:tabular-nums}summary{cursor:pointer}
td{padding:0 .6rem 0 0}td+td{text-align:right}a{color:inherit}
@media(max-width:800px){section{grid-template-columns:1fr}aside{position:static}
article{grid-template-columns:repeat(3,1fr)}.head{grid-column:1/-1}}
"""
