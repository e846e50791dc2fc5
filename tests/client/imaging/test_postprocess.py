from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuft.errors import ContractError, NoSubjectError
from tuft.imaging.geometry import Geometry, geometry_of
from tuft.imaging.postprocess import alpha_from_saliency, to_uint8
from tuft.imaging.preprocess import network_image

if TYPE_CHECKING:
    from tuft.presets import Resize

SQUARE = Geometry((64, 64), 64, (64, 64))


def ramp(size: int = 64, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return np.linspace(low, high, size * size, dtype=np.float32).reshape(size, size)


# --- scaling


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_saliency_is_scaled_to_the_full_range(dtype: type) -> None:
    alpha = alpha_from_saliency(ramp(low=0.2, high=0.8).astype(dtype), SQUARE)
    assert (alpha.dtype, alpha.min(), alpha.max()) == (np.float32, 0, 1)
    np.testing.assert_allclose(alpha, ramp(), atol=2e-3 if dtype == np.float16 else 1e-6)


def test_a_surely_salient_pixel_does_not_become_background() -> None:
    close_up = ramp(low=0.9, high=1.0)
    assert alpha_from_saliency(close_up, SQUARE).min() > 0.79
    assert alpha_from_saliency(close_up, SQUARE, reference=True).min() == 0


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize(
    "saliency",
    [ramp(high=0.49), np.zeros((64, 64), np.float32), np.ones((64, 64), np.float32), ramp(low=0.9, high=0.902)],
)
def test_no_subject_is_an_outcome_not_noise(saliency: np.ndarray, reference: bool) -> None:
    with pytest.raises(NoSubjectError, match="Nothing stands out"):
        alpha_from_saliency(saliency, SQUARE, reference=reference)


def test_margins_do_not_count_as_the_photograph() -> None:
    saliency = np.full((64, 64), 0.99, np.float32)
    geometry = geometry_of((30, 60), 64, "dynamic")
    saliency[geometry.box] = ramp(64, high=0.4)[: geometry.box_hw[0]]
    with pytest.raises(NoSubjectError):
        alpha_from_saliency(saliency, geometry)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("reference", [False, True])
def test_values_that_are_not_finite_break_the_contract(bad: float, reference: bool) -> None:
    saliency = ramp()
    saliency[3, 4] = bad
    with pytest.raises(ContractError, match="not finite"):
        alpha_from_saliency(saliency, SQUARE, reference=reference)


def test_another_shape_breaks_the_contract() -> None:
    with pytest.raises(ContractError, match=r"\(32, 64\)"):
        alpha_from_saliency(ramp()[:32], SQUARE)


# --- back to the photograph's size


@pytest.mark.parametrize("photo_hw", [(64, 64), (200, 333), (17, 90), (1, 77), (77, 1), (1, 1), (2, 2)])
def test_reference_is_torchs_bilinear_with_aligned_corners(photo_hw: tuple[int, int], rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    saliency = rng.random((64, 64), dtype=np.float32)
    saliency[0, :2] = (0, 1)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(saliency)[None, None], photo_hw, mode="bilinear", align_corners=True
    )[0, 0].numpy()
    alpha = alpha_from_saliency(saliency, Geometry(photo_hw, 64, (64, 64)), reference=True)
    np.testing.assert_allclose(alpha, expected, atol=2e-6)


def test_growing_is_torchs_half_pixel_bilinear(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    saliency = rng.random((64, 64), dtype=np.float32)
    saliency[0, :2] = (0, 1)
    expected = torch.nn.functional.interpolate(torch.from_numpy(saliency)[None, None], (130, 200), mode="bilinear")
    np.testing.assert_allclose(
        alpha_from_saliency(saliency, Geometry((130, 200), 64, (64, 64))), expected[0, 0].numpy(), atol=1e-5
    )


def test_shrinking_averages_instead_of_dropping_pixels() -> None:
    stripes = np.zeros((64, 64), np.float32)
    stripes[:, ::4] = 1
    np.testing.assert_allclose(alpha_from_saliency(stripes, Geometry((16, 16), 64, (64, 64))), 0.25)
    np.testing.assert_allclose(alpha_from_saliency(stripes, Geometry((200, 16), 64, (64, 64))), 0.25)


@given(
    height=st.integers(1, 700),
    width=st.integers(1, 700),
    size=st.sampled_from([64, 128, 384]),
    resize=st.sampled_from(["static", "dynamic"]),
    reference=st.booleans(),
)
@settings(max_examples=60)
def test_a_gradient_comes_back_to_its_place(
    height: int, width: int, size: int, resize: Resize, reference: bool
) -> None:
    """Through the network's square and back, no pixel lands farther off than one of the coarser of the two grids."""
    if reference and resize == "dynamic":
        return
    for axis, side in enumerate((height, width)):
        place = np.expand_dims((np.arange(side) + 0.5) / side, 1 - axis)
        rgb = np.repeat(np.broadcast_to(255 * place, (height, width))[..., None], 3, axis=2)
        picture, geometry = network_image(np.rint(rgb).astype(np.uint8), size, resize)
        saliency = picture[..., 0] / np.float32(255)
        if np.ptp(saliency[geometry.box]) < 0.1 or saliency[geometry.box].max() < 0.5:
            continue  # one or two pixels have no gradient
        alpha = alpha_from_saliency(saliency.astype(np.float32), geometry, reference=reference)
        assert alpha.shape == (height, width)
        box = saliency[geometry.box]
        back = box.min() + alpha * np.ptp(box) if box.min() <= 0.5 or reference else alpha
        assert np.abs(back - place).max() <= 1.0 / min(side, geometry.box_hw[axis]) + 1.5 / 255


def test_long_thin_photographs_work() -> None:
    for photo_hw in ((1, 5000), (5000, 1), (3, 40_000)):
        _, geometry = network_image(np.zeros((*photo_hw, 3), np.uint8), 64, "dynamic")
        saliency = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (64, 64))
        saliency = saliency if photo_hw[1] > photo_hw[0] else saliency.T
        alpha = alpha_from_saliency(saliency, geometry)
        assert alpha.shape == photo_hw
        assert np.abs(np.diff(alpha.ravel() if min(photo_hw) == 1 else alpha[0])).max() < 0.05


def test_bytes_are_rounded() -> None:
    alpha = np.array([[0, 0.49 / 255, 0.51 / 255, 0.5, 254.49 / 255, 254.51 / 255, 1]], np.float32)
    np.testing.assert_array_equal(to_uint8(alpha), [[0, 0, 1, 128, 254, 255, 255]])
    assert to_uint8(alpha).dtype == np.uint8
    np.testing.assert_array_equal(to_uint8(alpha, reference=True), (alpha * 255).astype(np.uint8))


@given(st.floats(0, 1, width=32))
def test_bytes_are_never_more_than_half_a_level_off(alpha: float) -> None:
    for shape in ((1, 1), (4, 1), (1, 4), (3, 5)):
        assert abs(int(to_uint8(np.full(shape, alpha, np.float32))[0, 0]) - alpha * 255) <= 0.5001
