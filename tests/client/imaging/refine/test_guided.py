from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.colour_models import moved_everywhere

from tuft.imaging.refine import guided
from tuft.imaging.refine.guided import Window, guided_models


def estimate_and_trust(photo: np.ndarray, alpha: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The estimate of the models at every pixel, clipped to 0..1, and their trust by cell."""
    models = guided_models(photo, alpha, window)
    believed = replace(models, trust=np.ones_like(models.trust))
    return moved_everywhere(believed, alpha, photo), models.trust


@pytest.fixture
def photo(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)


@pytest.fixture
def alpha(rng: np.random.Generator) -> np.ndarray:
    return rng.random((48, 64), dtype=np.float32)


def slow_models(guide: np.ndarray, alpha: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """The filter by its definition: a least-squares fit in every window, a weighted mean at every cell."""
    height, width = alpha.shape
    padded = [
        np.pad(plane, ((radius, radius), (radius, radius)) + ((0, 0),) * (plane.ndim - 2), mode="symmetric")
        for plane in (guide, alpha)
    ]
    models, weights, shares = np.zeros((height, width, 4)), np.zeros((height, width)), np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            window = np.s_[y : y + 2 * radius + 1, x : x + 2 * radius + 1]
            colours, wanted = padded[0][window].reshape(-1, 3).astype(float), padded[1][window].ravel().astype(float)
            centred = colours - colours.mean(0)
            covariance = centred.T @ (wanted - wanted.mean()) / len(wanted)
            slope = np.linalg.solve(centred.T @ centred / len(wanted) + guided.EPSILON * np.eye(3), covariance)
            models[y, x] = *slope, wanted.mean() - slope @ colours.mean(0)
            weights[y, x] = 1 / (wanted.var() - slope @ covariance + 1e-2)
            shares[y, x] = slope @ covariance / (wanted.var() + 1e-4)

    def mean(planes: np.ndarray) -> np.ndarray:
        pads = ((radius, radius), (radius, radius)) + ((0, 0),) * (planes.ndim - 2)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(planes, pads, mode="symmetric"), (2 * radius + 1, 2 * radius + 1), axis=(0, 1)
        )
        return windows.mean(axis=(-1, -2))

    return mean(models * weights[..., None]) / mean(weights)[..., None], mean(shares)


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_it_is_the_filter_of_the_definition(photo: np.ndarray, alpha: np.ndarray, radius: int) -> None:
    estimate, trust = estimate_and_trust(photo, alpha, Window(1, radius, 0.25))
    models, shares = slow_models(photo / 255, alpha, radius)
    expected = np.clip((models[..., :3] * photo / 255).sum(-1) + models[..., 3], 0, 1)
    np.testing.assert_allclose(estimate, expected, atol=2e-3)
    np.testing.assert_allclose(trust, np.clip((shares - 0.25) / 0.5, 0, 1), atol=2e-3)


@pytest.mark.parametrize("window", [Window(1, 2, 0.5), Window(4, 4, 0.5), Window(8, 3, 0.4)])
def test_alpha_that_is_linear_in_colour_is_kept_and_believed(photo: np.ndarray, window: Window) -> None:
    cells = photo[: 48 // window.cell, : 64 // window.cell]
    blocks = cells.repeat(window.cell, axis=0).repeat(window.cell, axis=1)
    linear = (blocks @ np.array([0.3, 0.5, 0.1]) / 255 + 0.05).astype(np.float32)
    estimate, trust = estimate_and_trust(blocks, linear, window)
    np.testing.assert_allclose(estimate, linear, atol=0.01)
    assert trust.min() > 0.95


def test_colour_that_says_nothing_about_alpha_is_not_believed(photo: np.ndarray) -> None:
    flat = np.full_like(photo, 128)
    edge = np.zeros((48, 64), np.float32)
    edge[:, 32:] = 1
    for colours, allowed in ((flat, 0.0), (photo, 0.05)):
        _, trust = estimate_and_trust(colours, edge, Window(1, 4, 0.4))
        assert trust.mean() <= allowed


def test_a_blurred_edge_finds_the_place_that_the_photograph_shows() -> None:
    columns = np.arange(64)
    truth = np.broadcast_to((columns >= 30).astype(np.float32), (48, 64))
    colours = np.where(truth[..., None] > 0, (200, 120, 40), (30, 90, 160)).astype(np.uint8)
    blurred = np.broadcast_to(1 / (1 + np.exp(-(columns - 32) / 2)), (48, 64)).astype(np.float32)  # and shifted by 2 px
    estimate, trust = estimate_and_trust(colours, blurred, Window(2, 4, 0.0))
    near = np.s_[:, 26:36]
    assert trust[:, 13:18].min() > 0.5
    assert np.abs(estimate - truth)[near].mean() < 0.8 * np.abs(blurred - truth)[near].mean()
    assert (estimate[:, 30] - estimate[:, 29]).min() > 4 * (blurred[:, 30] - blurred[:, 29]).max()


def test_fitted_in_blocks_it_is_what_it_is_fitted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (101, 143, 3)).astype(np.uint8)
    alpha = rng.random((101, 143), dtype=np.float32)
    whole = guided_models(photo, alpha, Window(2, 3, 0.4))
    monkeypatch.setattr(guided, "_SIDE", 9)
    tiled = guided_models(photo, alpha, Window(2, 3, 0.4))
    for part, all_of_it in zip(
        (*tiled.slopes, tiled.offset, tiled.trust), (*whole.slopes, whole.offset, whole.trust), strict=True
    ):
        np.testing.assert_allclose(part, all_of_it, atol=1e-3)


@pytest.mark.parametrize("level", [0, 255])
def test_black_white_and_constant_alpha_stay_finite(level: int) -> None:
    for constant in (0.0, 1.0):
        alpha = np.full((48, 64), constant, np.float32)
        models = guided_models(np.full((48, 64, 3), level, np.uint8), alpha, Window(4, 4, 0.5))
        assert (models.trust == 0).all()
        moved = moved_everywhere(models, alpha, np.full((48, 64, 3), level, np.uint8))
        np.testing.assert_array_equal(moved, alpha)


def test_where_the_network_is_vague_less_needs_to_be_explained(photo: np.ndarray, alpha: np.ndarray) -> None:
    window = Window(1, 4, 0.5)
    careful = guided_models(photo, alpha, window).trust
    bold = guided_models(photo, alpha, window, np.ones_like(alpha)).trust
    here_only = guided_models(photo, alpha, window, np.pad(np.ones((48, 10), np.float32), ((0, 0), (0, 54)))).trust
    assert bold.mean() > careful.mean() + 0.05
    np.testing.assert_array_equal(here_only[:, 10:], careful[:, 10:])
    np.testing.assert_array_equal(here_only[:, :10], bold[:, :10])
