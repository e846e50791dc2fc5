"""The parity check of engines: every kind of wrong engine fails, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import mean_saliency

from tuft.contract import ModelSpec
from tuft_export.engines.parity import TOLERANCES, Verification, verify
from tuft_export.errors import EngineError
from tuft_export.graphs import precision_parity

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SPEC = ModelSpec("tiny", 32, 4)


def right(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return mean_saliency(images).astype(np.float32)


def verdict(
    run: Callable[[NDArray[np.uint8]], NDArray[np.float32]], precision: str = "fp32", spec: ModelSpec = SPEC
) -> Verification:
    return verify(run, right, spec, precision)


def test_the_same_function_passes() -> None:
    made = verdict(right)
    assert made
    made.require()
    assert [batch.batch_size for batch in made.batches] == [1, 2, 4]
    assert all((b.max_abs, b.mean_abs, b.iou, b.singles_max_abs) == (0, 0, 1, 0) for b in made.batches)
    assert made.to_dict()["equal"] is True


@pytest.mark.parametrize(("largest", "batches"), [(1, [1]), (2, [1, 2]), (16, [1, 2, 16])])
def test_batches_are_one_two_and_the_largest(largest: int, batches: list[int]) -> None:
    made = verdict(right, spec=replace(SPEC, max_batch_size=largest))
    assert [batch.batch_size for batch in made.batches] == batches


def shifted(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return right(images) + np.float32(0.01)


def upside_down(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return right(images)[:, ::-1]


def scaled_over_the_batch(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """As in the published network's code: the result for an image depends on the others in its batch."""
    saliency = right(images)
    return (saliency - saliency.min()) / (saliency.max() - saliency.min()) if len(images) > 1 else saliency


def not_a_number_in_one_place(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    saliency = right(images)
    saliency[-1, 0, 0] = np.nan
    return saliency


def infinite_in_the_largest_batch(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    saliency = right(images)
    if len(images) == SPEC.max_batch_size:
        saliency[0, 5, 5] = np.inf
    return saliency


def last_picture_forgotten(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    saliency = right(images)
    if len(images) > 1:
        saliency[-1] = 0
    return saliency


@pytest.mark.parametrize(
    "wrong",
    [
        shifted,
        upside_down,
        scaled_over_the_batch,
        not_a_number_in_one_place,
        infinite_in_the_largest_batch,
        last_picture_forgotten,
    ],
)
def test_wrong_functions_fail(wrong: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> None:
    made = verdict(wrong)
    assert not made
    assert made.to_dict()["equal"] is False
    with pytest.raises(EngineError, match=r"does not compute what its graph computes .* allowed: .* --precision fp32"):
        made.require()


def test_a_constant_proves_nothing() -> None:
    def constant(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full(images.shape[:3], 0.7, np.float32)

    made = verify(constant, constant, SPEC, "fp32")
    assert not made
    with pytest.raises(EngineError, match="proves nothing: use trained weights"):
        made.require()


@pytest.mark.parametrize("precision", TOLERANCES)
@given(seed=st.integers(0, 2**32 - 1))
def test_noise_within_half_the_mean_tolerance_passes(precision: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Where 0.5 is crossed by noise alone, the least IoU would be a matter of luck: so nothing is near it.
    allowed = TOLERANCES[precision].mean / 2

    def noisy(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        saliency = right(images)
        noise = rng.uniform(-allowed, allowed, saliency.shape).astype(np.float32)
        return np.where(np.abs(saliency - 0.5) < 2 * allowed, saliency, saliency + noise)

    assert verdict(noisy, precision)


@pytest.mark.parametrize("precision", TOLERANCES)
def test_a_few_pixels_may_decide_otherwise(precision: str) -> None:
    spec = replace(SPEC, size=64, max_batch_size=2)
    allowed = int(TOLERANCES[precision].off_share * 64 * 64)
    assert allowed >= 4

    def flipping(count: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
        def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            saliency = right(images)
            flat = saliency.reshape(len(images), -1)[:, :count]
            flat += np.where(flat < 0.5, -2, 2) * TOLERANCES[precision].saliency  # away from 0.5: IoU stays
            return saliency

        return run

    assert verdict(flipping(allowed), precision, spec)
    assert not verdict(flipping(allowed + 1), precision, spec)


def test_coarser_precisions_are_allowed_more() -> None:
    fine, half, coarse = TOLERANCES["fp32"], TOLERANCES["fp16"], TOLERANCES["bf16"]
    for name in ("saliency", "off_share", "mean"):
        assert getattr(fine, name) < getattr(half, name) < getattr(coarse, name)
    assert fine.iou > half.iou > coarse.iou


def test_what_the_graph_may_lose_the_engine_may_lose() -> None:
    assert {name: TOLERANCES[name].mean for name in ("fp16", "bf16")} == precision_parity.TOLERANCES


def test_nothing_in_front_in_both_is_agreement() -> None:
    def dark(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return right(images) / 3

    made = verify(dark, dark, SPEC, "fp32")
    assert made
    assert all(batch.iou == 1 for batch in made.batches)
