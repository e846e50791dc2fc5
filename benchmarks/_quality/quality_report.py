"""The HTML report of `quality.py`: every picture with every variant, the largest errors first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
from PIL import Image

from tuft.report import Exhibit, Layer, Run, fitting_px, html_report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from _lib.cases import Case
    from numpy.typing import NDArray

T = TypeVar("T")

# The figures below a picture, for each variant.
_FIGURES: Final = ("iou", "sad band", "gradient band", "edge sharpness", "colour")


def report(
    cases: Sequence[Case],
    alphas: Mapping[str, Mapping[str, NDArray[np.uint8]]],
    figures: Mapping[str, Mapping[str, Mapping[str, float]]],
    milliseconds: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> str:
    """Renders one page, sorted by the matting error of the last variant that has an alpha of its own.

    Args:
        cases: The pictures.
        alphas: uint8 [h, w] by variant, by name of the picture.
        figures: Likewise, by name of the figure.
        milliseconds: Likewise, by stage.
    """
    last = _distinct(_of(alphas, cases[0].name))[-1]
    long_side_px = fitting_px(len(cases))
    worst_first = sorted(cases, key=lambda case: -figures[last][case.name]["sad whole"])
    exhibits = []
    for case in worst_first:
        exhibit = _exhibit(case, _of(alphas, case.name), _of(figures, case.name), _of(milliseconds, case.name))
        exhibits.append(exhibit.reduced(long_side_px))
    subtitle = f"{len(cases)} pictures with exact alpha; the largest error of {last} first"
    return html_report(exhibits, title="tuft: quality", subtitle=subtitle)


def _of(by_variant: Mapping[str, Mapping[str, T]], name: str) -> dict[str, T]:
    return {variant: by_picture[name] for variant, by_picture in by_variant.items()}


def _distinct(alphas: Mapping[str, NDArray[np.uint8]]) -> list[str]:
    """The variants whose alpha differs from those of all earlier variants."""
    names = list(alphas)
    return [
        name
        for i, name in enumerate(names)
        if not any(np.array_equal(alphas[name], alphas[earlier]) for earlier in names[:i])
    ]


def _exhibit(
    case: Case,
    alphas: Mapping[str, NDArray[np.uint8]],
    figures: Mapping[str, Mapping[str, float]],
    milliseconds: Mapping[str, Mapping[str, float]],
) -> Exhibit:
    truth = Image.fromarray((case.alpha * 255 + 0.5).astype("uint8"))
    layers = [Layer("photograph", Image.fromarray(case.photo)), Layer("true alpha", truth)]
    layers += [Layer(f"alpha, {variant}", Image.fromarray(alphas[variant])) for variant in _distinct(alphas)]
    return Exhibit(
        case.name,
        note=case.category,
        layers=layers,
        figures={f"{name}, {variant}": f"{of[name]:.4g}" for variant, of in figures.items() for name in _FIGURES},
        runs=[Run(variant, times) for variant, times in milliseconds.items()],
        pair=("true alpha", layers[-1].name),
    )
