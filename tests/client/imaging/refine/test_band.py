from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from tuft.imaging.refine.band import HIGH, LOW, Band, are_certain, band_weight


def soft_edge(width_px: float) -> np.ndarray:
    """A vertical edge in the middle of 60 × 80 pixels."""
    return np.broadcast_to(np.clip((np.arange(80) - 39.5) / width_px + 0.5, 0, 1), (60, 80)).astype(np.float32)


@pytest.mark.parametrize("radius", [1, 3, 6])
@pytest.mark.parametrize("width_px", [1e-6, 6.0])
def test_the_band_lies_along_the_edge_and_nowhere_else(radius: int, width_px: float) -> None:
    alpha = soft_edge(width_px)
    weight = band_weight(alpha, radius)
    columns = np.arange(80)
    uncertain = columns[(alpha[0] > LOW) & (alpha[0] <= HIGH)] if width_px > 1 else np.array([39, 40])
    distance = np.abs(columns[:, None] - uncertain[None]).min(axis=1)
    assert (weight[:, distance == 0] >= 0.5).all()
    assert (weight[:, distance > 2 * radius] == 0).all()
    assert ((weight >= 0) & (weight <= 1.0001)).all()


def test_uncertain_pixels_have_full_weight_and_the_rest_falls_off_with_distance(rng: np.random.Generator) -> None:
    alpha = np.zeros((80, 80), np.float32)
    alpha[40, 40] = 0.5
    weight = band_weight(alpha, 4)
    distance = distance_transform_edt(alpha == 0)
    assert weight[40, 40] > 0.6
    assert (weight[distance > 8 * np.sqrt(2)] == 0).all()
    assert weight[40, 40] > weight[40, 44] > weight[40, 47] > 0


def test_sure_regions_have_no_band() -> None:
    for value, certain in ((0.0, True), (LOW / 2, True), (1.0, True), (0.5, False)):
        alpha = np.full((20, 30), value, np.float32)
        assert are_certain(alpha[None]).tolist() == [certain]
        assert band_weight(alpha, 3).any() is np.bool_(not certain)
    assert not are_certain(soft_edge(1e-6)[None]).any()


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0, 4.0])
def test_the_band_of_a_photograph_is_as_wide_as_the_networks_pixels(scale: float) -> None:
    alpha = np.zeros((120, 200), np.float32)
    alpha[:, 100:] = 1
    band = Band.around(alpha, scale)
    weight = band.weight((slice(0, 120), slice(0, 200)))
    assert weight.shape == alpha.shape
    assert (weight[:, 99:101] > 0.5).all()
    distance = np.abs(np.arange(200) - 99.5)
    assert (weight[:, distance > 6 * max(scale, 1) + 2] == 0).all()
    np.testing.assert_array_equal(band.weight((slice(30, 50), slice(90, 130))), weight[30:50, 90:130])
    assert not band.is_empty()
    assert Band.around(np.zeros_like(alpha), scale).is_empty()


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0, 4.0])
def test_all_pixels_that_may_change_are_in_its_blocks(scale: float) -> None:
    alpha = np.zeros((120, 200), np.float32)
    alpha[30:, 103:] = 1
    band = Band.around(alpha, scale)
    weight = band.weight((slice(0, 120), slice(0, 200)))
    found = np.zeros_like(alpha)
    weight_at = band.weight_in(16)
    for blocks in band.blocks(16, (120, 200)).batches():
        blocks.put(found, weight_at(blocks).reshape(-1, 16, 16))
    np.testing.assert_allclose(found, weight, atol=1e-5)
