"""Peaks of machines, and the lower bounds that follow from them."""

from __future__ import annotations

import pytest
from _roofline.operation_count import Work
from _roofline.peaks import L4, Peak, measured_peaks

FAST = Peak("f32", flop_per_s=100.0, bytes_per_s=40.0, value_bytes=4)


def test_the_least_time_is_the_longer_of_products_and_traffic() -> None:
    products, traffic = Work(product_flop=300, fused_values=10), Work(product_flop=100, fused_values=20)
    assert (FAST.least_s(products), FAST.is_bound_by_memory(products)) == (3.0, False)
    assert (FAST.least_s(traffic), FAST.is_bound_by_memory(traffic)) == (2.0, True)


def test_half_precision_moves_half_the_bytes() -> None:
    half = Peak("bf16", FAST.flop_per_s, FAST.bytes_per_s, value_bytes=2)
    work = Work(fused_values=1000)
    assert half.least_s(work) == FAST.least_s(work) / 2


def test_other_peoples_figures_say_that_they_are_not_measured() -> None:
    assert all("computed, not measured" in peak.source for peak in L4)
    half, single = L4
    assert half.flop_per_s == 121e12
    assert half.flop_per_s / single.flop_per_s == pytest.approx(4, rel=0.01)  # tensor cores, without sparsity


def test_this_machine_has_peaks() -> None:
    peaks = measured_peaks(matrix=256, copy_bytes=1 << 22)
    assert [peak.name for peak in peaks] in (["f32"], ["f32", "bf16"])
    assert all(peak.flop_per_s > 1e8 and peak.bytes_per_s > 1e8 for peak in peaks)
