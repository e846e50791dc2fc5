"""From a cut-out to what a report shows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from tuft.report.exhibit import Layer

if TYPE_CHECKING:
    from tuft.cutout import Cutout


def layers_of(cutout: Cutout, label: str = "") -> tuple[Layer, Layer]:
    """Its alpha and its cut-out, with `label` after their names where there are several."""
    after = f", {label}" if label else ""
    return Layer(f"alpha{after}", Image.fromarray(cutout.alpha)), Layer(f"cut-out{after}", cutout.image)


def note_of(cutout: Cutout) -> str:
    """Which model served, and why another preset than the one asked for, if so."""
    note = f"{cutout.model}, version {cutout.model_version}"
    return f"{note}; {cutout.fallback_reason}" if cutout.fallback_reason else note
