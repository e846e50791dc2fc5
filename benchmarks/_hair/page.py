"""A page of zooms: where the matting stage gains most on the network's own matte, and where least."""

from __future__ import annotations

import html
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from _lib.cases import Case
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]

_SIDE: Final = 160
_STYLE: Final = (
    "body{font:15px system-ui;margin:2em}figure{margin:0 0 1.5em}img{image-rendering:pixelated;max-width:100%}"
)


@dataclass(frozen=True, eq=False)
class Zoom:
    """One place.

    Attributes:
        title: What it shows.
        columns: Names of the parts, from left to right.
        png: They, side by side.
    """

    title: str
    columns: Sequence[str]
    png: bytes


def zooms(case: Case, alphas: Mapping[str, Plane], title: str) -> tuple[Zoom, Zoom]:
    """The worst and the best place of the last of `alphas` against the first."""
    mattes = list(alphas.values())
    gain = np.abs(mattes[0] - case.alpha) - np.abs(mattes[-1] - case.alpha)
    mean = cv2.blur(gain, (_SIDE, _SIDE), borderType=cv2.BORDER_REPLICATE)
    return tuple(  # type: ignore[return-value]
        _zoom(case, alphas, int(place), f"{title}, {kind} place")
        for kind, place in (("worst", mean.argmin()), ("best", mean.argmax()))
    )


def _zoom(case: Case, alphas: Mapping[str, Plane], place: int, title: str) -> Zoom:
    height, width = case.alpha.shape
    y, x = divmod(place, width)
    top = min(max(0, y - _SIDE // 2), max(0, height - _SIDE))
    left = min(max(0, x - _SIDE // 2), max(0, width - _SIDE))
    part = np.s_[top : top + _SIDE, left : left + _SIDE]
    shown = [case.photo[part], *(_grey(one[part]) for one in (*alphas.values(), case.alpha))]
    large = cv2.resize(np.hstack(shown), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    _, png = cv2.imencode(".png", cv2.cvtColor(large, cv2.COLOR_RGB2BGR))
    return Zoom(title, ("photograph", *alphas, "truth"), png.tobytes())


def _grey(alpha: Plane) -> NDArray[np.uint8]:
    return np.repeat(np.rint(alpha * 255).astype(np.uint8)[..., None], 3, axis=2)


def page(shown: Sequence[Zoom]) -> str:
    """One HTML file with everything in it."""
    figures = [
        f"<figure><figcaption><b>{html.escape(zoom.title)}</b>: {html.escape(', '.join(zoom.columns))}</figcaption>"
        f'<img alt="" src="data:image/png;base64,{b64encode(zoom.png).decode()}"></figure>'
        for zoom in shown
    ]
    return f"<!doctype html><meta charset=utf-8><title>Hair</title><style>{_STYLE}</style>{''.join(figures)}"
