"""Shadows, against sums and moments that follow from what a blur, a shift and a projection are."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from tuft.errors import OptionError
from tuft.imaging import SHADOWS, parse_shadow
from tuft.imaging.layout import foreground_box
from tuft.imaging.shadow import shadow

KINDS = pytest.mark.parametrize("kind", SHADOWS)


def rectangle(
    size_hw: tuple[int, int] = (600, 900), rows: slice = slice(150, 450), columns: slice = slice(250, 450)
) -> np.ndarray:
    alpha = np.zeros(size_hw, np.uint8)
    alpha[rows, columns] = 255
    return alpha


def centre_of(weights: np.ndarray) -> np.ndarray:
    """Row and column of the centre of mass."""
    rows, columns = np.indices(weights.shape)
    return np.array([(rows * weights).sum(), (columns * weights).sum()]) / weights.sum()


@pytest.mark.parametrize("opacity", [0.1, 0.5, 1.0])
def test_a_drop_shadow_keeps_the_energy_of_alpha(opacity: float) -> None:
    alpha = rectangle()
    shade = shadow(alpha, foreground_box(alpha), "drop", opacity)
    assert shade.sum(dtype=float) == pytest.approx(opacity * alpha.sum(dtype=float), rel=0.01)
    assert shade.max() == round(255 * opacity)


def test_a_drop_shadow_is_alpha_moved_and_blurred() -> None:
    alpha = rectangle()  # its longer side is 300: moved by 7.5, blurred by 6
    exact = gaussian_filter(shift(alpha.astype(float), (7.5, 7.5), order=1), 6)
    shade = shadow(alpha, foreground_box(alpha), "drop", 1)
    np.testing.assert_allclose(shade, exact, atol=10)
    assert np.abs(shade - exact).mean() < 0.5
    np.testing.assert_allclose(centre_of(shade) - centre_of(alpha), (7.5, 7.5), atol=0.3)


def test_a_shadow_on_the_ground_has_the_area_of_the_projection() -> None:
    alpha = rectangle()
    shade = shadow(alpha, foreground_box(alpha), "natural", 1).astype(float)
    # A height becomes a quarter; the contact shadow adds at most 8 % of the height, squeezed to a quarter.
    area = alpha.sum(dtype=float) * 0.25
    assert area * 0.99 <= shade.sum() <= area * 1.1
    # The rectangle's middle is 150 above the ground: 37.5 above it in the shadow, and 52.5 to the right.
    np.testing.assert_allclose(centre_of(shade) - (450, 349.5), (-37.5, 52.5), atol=5)


def test_a_shadow_on_the_ground_is_sharp_at_the_feet_and_soft_behind() -> None:
    alpha = rectangle((900, 1400), slice(100, 700), slice(300, 500))
    shade = shadow(alpha, foreground_box(alpha), "natural", 1).astype(int)
    steepest = [np.abs(np.diff(shade[row])).max() for row in (685, 585)]
    assert steepest[0] > 1.4 * steepest[1]
    assert not shade[800:].any()


@KINDS
def test_nothing_is_darker_than_asked_for(kind: str, rng: np.random.Generator) -> None:
    alpha = rng.integers(0, 256, (80, 90)).astype(np.uint8)
    for opacity in (0.0, 0.3, 1.0):
        assert shadow(alpha, foreground_box(alpha), kind, opacity).max() <= round(255 * opacity)  # type: ignore[arg-type]


@KINDS
def test_it_looks_the_same_at_every_size(kind: str) -> None:
    small = rectangle()
    large = small.repeat(4, 0).repeat(4, 1)
    shade = shadow(large, foreground_box(large), kind, 1)  # type: ignore[arg-type]
    reduced = shade.reshape(600, 4, 900, 4).mean((1, 3))
    difference = np.abs(reduced - shadow(small, foreground_box(small), kind, 1))  # type: ignore[arg-type]
    assert difference.mean() < 0.5
    assert difference.max() < 16


@KINDS
def test_it_moves_with_the_subject(kind: str) -> None:
    here, there = rectangle(), rectangle(rows=slice(160, 460), columns=slice(270, 470))
    shades = [shadow(alpha, foreground_box(alpha), kind, 1).astype(int) for alpha in (here, there)]  # type: ignore[arg-type]
    assert np.abs(np.roll(shades[0], (10, 20), (0, 1)) - shades[1]).max() <= 12


@KINDS
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 700), (700, 1), (2, 3), (40, 50)])
def test_subjects_of_any_shape(kind: str, size_hw: tuple[int, int]) -> None:
    alpha = np.full(size_hw, 255, np.uint8)
    shade = shadow(alpha, foreground_box(alpha), kind, 1)  # type: ignore[arg-type]
    assert (shade.shape, shade.dtype) == (size_hw, np.uint8)


@KINDS
def test_it_is_the_same_every_time(kind: str, rng: np.random.Generator) -> None:
    alpha = rng.integers(0, 256, (300, 200)).astype(np.uint8)
    first, second = (shadow(alpha, foreground_box(alpha), kind, 0.7) for _ in range(2))  # type: ignore[arg-type]
    np.testing.assert_array_equal(first, second)


@KINDS
@pytest.mark.parametrize("side", [60, 4900])
def test_25_megapixels_need_little_more_than_the_result(kind: str, side: int) -> None:
    """However large the subject is: numpy's allocations, which tracemalloc sees, OpenCV's results included."""
    alpha = np.zeros((5000, 5000), np.uint8)
    alpha[20 : 20 + side, 20 : 20 + side] = 255
    tracemalloc.start()
    shade = shadow(alpha, foreground_box(alpha), kind, 0.5)  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shade.any()
    assert peak < 3 * alpha.nbytes


def test_kinds_by_name() -> None:
    assert [parse_shadow(kind) for kind in ("drop", "natural", "3D", "Drop", "3d")] == [
        *["drop", "natural", "natural", "drop", "natural"]
    ]
    for kind in ("", "car", "d" * 1000):
        with pytest.raises(OptionError, match="drop, natural") as caught:
            parse_shadow(kind)
        assert len(str(caught.value)) < 150
