"""Visual regression: compares the mattes of 24 held-out scenes with the accepted ones.

Accepting a change: run `make accept-mattes`, look at `out/regression/index.html`, which shows every matte before and
after with the worst place enlarged, and commit the new references with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import flip_evaluator
import numpy as np
from PIL import Image

from tuft import NoSubjectError
from tuft.imaging.compose import over
from tuft.report import Exhibit, Focus, Layer, html_report
from tuft_training.measures import edge_sharpness, unknown_band
from tuft_training.samples import HELD_OUT_SEED
from tuft_training.scenes import scene

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tuft import Client

    Matte = NDArray[np.uint8]  # (h, w)

REFERENCES: Final = Path(__file__).parents[1] / "regression" / "references"
REPORT: Final = Path(__file__).parents[2] / "out" / "regression" / "index.html"
PRESET: Final = "standard"
PHOTO_HW: Final = (960, 1280)
# Mattes are stored and compared at half of the photograph's size: files are small, and every strand is still visible.
COMPARED_HW: Final = (480, 640)

# The held-out scenes of each category, selected by eye.
SCENES: Final = {
    "short fur": (2057, 2107, 2109),
    "fluffy fur": (2012, 2046, 2094),
    "whiskers": (2022, 2105),
    "same-colour background": (2011, 2027),
    "several subjects": (2002, 2049, 2083),
    "thin parts": (2039, 2053, 2112),
    "holes": (2009, 2076),
    "translucent": (2714, 2965),
    "hard edges": (2082, 2085),
    "no subject": (2139, 2165),
}


@dataclass(frozen=True)
class Subject:
    """One scene of the suite."""

    category: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.category} {self.number}"

    @property
    def reference(self) -> Path:
        return REFERENCES / f"{self.name.replace(' ', '_')}.png"

    def photo(self) -> NDArray[np.uint8]:
        return scene(HELD_OUT_SEED + self.number, PHOTO_HW).image


SUBJECTS: Final = tuple(Subject(category, number) for category, numbers in SCENES.items() for number in numbers)


def cut_out(client: Client, photo: NDArray[np.uint8]) -> Matte:
    """The matte at the compared size; all zero if the client finds no subject."""
    try:
        alpha = client.remove(photo, preset=PRESET).alpha
    except NoSubjectError:
        alpha = np.zeros(photo.shape[:2], np.uint8)
    return at_compared_size(alpha)


def at_compared_size(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.resize(picture, COMPARED_HW[::-1], interpolation=cv2.INTER_AREA)


def read_reference(subject: Subject) -> Matte:
    with Image.open(subject.reference) as image:
        return np.asarray(image)


# Limits of the difference between two mattes. Half precision stays below them, and each mutation of test_mattes.py
# exceeds them on every image that it changes. Measured: bfloat16 at most 0.001, 0.003, 0.04, 0.01 and 0.31; a faded
# matte 0.05 in level, a blurred or dilated one at least 0.015 and 0.24 at the edge, one without an ear 0.08 at a place
# and 0.97 of FLIP.
LIMITS: Final = {
    "level": 0.01,  # relative change of the sum of alpha over the subject
    "edge": 0.008,  # loss of edge sharpness, the correlation of both mattes' gradients, in the reference's transition
    "place": 0.15,  # mean difference in the worst of 20 × 15 places
    "flip mean": 0.02,  # FLIP, the perceived difference (J. Andersson et al., HPG 2020), over the worst of three
    "flip 99.9 %": 0.5,  # backdrops: its mean and its 99.9th percentile
}
_PLACES_WH: Final = (20, 15)


def numeric_figures(reference: Matte, matte: Matte) -> dict[str, float]:
    """The differences in alpha, 0..1."""
    truth, ours = (each.astype(np.float32) / 255 for each in (reference, matte))
    difference = np.abs(ours - truth)
    subject = truth > 0.2
    sums = [float(each[subject].sum(dtype=np.float64)) for each in (ours, truth)]
    return {
        "level": abs(sums[0] - sums[1]) / sums[1] if sums[1] else 0.0,
        "edge": 1 - edge_sharpness(ours, truth, unknown_band(truth, 6)),
        "place": float(_by_place(difference).max()),
    }


def flip_figures(photo: NDArray[np.uint8], reference: Matte, matte: Matte) -> dict[str, float]:
    """The perceived difference on white, on black and on a checkerboard; the worst of the three."""
    maps = [flip_map(photo, reference, matte, backdrop) for backdrop in backdrops(reference.shape)]
    return {
        "flip mean": max(float(one.mean()) for one in maps),
        "flip 99.9 %": max(float(np.quantile(one, 0.999)) for one in maps),
    }


def flip_map(
    photo: NDArray[np.uint8], reference: Matte, matte: Matte, backdrop: NDArray[np.uint8]
) -> NDArray[np.float32]:
    before, after = (over(np.dstack([photo, each]), backdrop).astype(np.float32) / 255 for each in (reference, matte))
    difference, *_ = flip_evaluator.evaluate(before, after, "LDR", applyMagma=False)
    return np.asarray(difference)[..., 0]


def backdrops(size_hw: tuple[int, ...]) -> tuple[NDArray[np.uint8], ...]:
    rows, columns = np.indices(size_hw[:2]) // 16
    checker = np.where((rows + columns) % 2, np.uint8(255), np.uint8(200))
    flat = [np.full((*size_hw[:2], 3), level, np.uint8) for level in (255, 0)]
    return (*flat, np.repeat(checker[..., None], 3, axis=2))


def exceeded(figures: dict[str, float]) -> list[str]:
    """The figures beyond their limits, as text."""
    return [f"{name} {value:.3f} > {LIMITS[name]}" for name, value in figures.items() if value > LIMITS[name]]


def exhibit(subject: Subject, photo: NDArray[np.uint8], reference: Matte, matte: Matte, figures: Any) -> Exhibit:
    """Before, after and their difference, focused on the worst place."""
    difference = np.abs(matte.astype(np.int16) - reference).astype(np.uint8)
    places = _by_place(difference)
    row, column = np.unravel_index(int(places.argmax()), places.shape)
    wrong = exceeded(figures)
    heat = cv2.applyColorMap(cv2.convertScaleAbs(difference, alpha=3), cv2.COLORMAP_MAGMA)
    return Exhibit(
        subject.name,
        note="; ".join(wrong) or "as accepted",
        layers=(
            Layer("photograph", Image.fromarray(photo)),
            Layer("before", Image.fromarray(reference)),
            Layer("after", Image.fromarray(matte)),
            Layer("difference × 3", Image.fromarray(cv2.cvtColor(heat, cv2.COLOR_BGR2RGB))),
            Layer("cut-out before", Image.fromarray(np.dstack([photo, reference]))),
            Layer("cut-out after", Image.fromarray(np.dstack([photo, matte]))),
        ),
        figures={name: f"{value:.4f} of {LIMITS[name]}" for name, value in figures.items()},
        status="fail" if wrong else "pass",
        pair=("before", "after"),
        focus=Focus((column + 0.5) / _PLACES_WH[0], (row + 0.5) / _PLACES_WH[1], 4.0) if wrong else None,
    )


def compare(subject: Subject, photo: NDArray[np.uint8], matte: Matte) -> Exhibit:
    """The verdict on one matte, with its layers and figures."""
    reference = read_reference(subject)
    small = at_compared_size(photo)
    figures = {**numeric_figures(reference, matte), **flip_figures(small, reference, matte)}
    return exhibit(subject, small, reference, matte, figures)


def write_report(exhibits: Iterable[Exhibit]) -> None:
    """Writes the report, failures first."""
    ordered = sorted(exhibits, key=lambda one: one.status != "fail")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    page = html_report(ordered, title="tuft: visual regression", subtitle=f"{len(ordered)} mattes, preset {PRESET}")
    REPORT.write_text(page, encoding="utf-8")


def _by_place(difference: NDArray[Any]) -> NDArray[np.float32]:
    """Means over the cells of a coarse grid: a missing ear fills one, a changed hair does not."""
    means: NDArray[np.float32] = cv2.resize(difference.astype(np.float32), _PLACES_WH, interpolation=cv2.INTER_AREA)
    return means
