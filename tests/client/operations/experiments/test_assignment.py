"""Assignment: uniform, independent, stable, and monotone in the weights."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import tuft
from tuft.operations.experiments import share_of, weighted_choice

KEYS = [f"customer-{number}" for number in range(20_000)]


def test_shares_are_uniform() -> None:
    counts, _ = np.histogram([share_of(key, "a") for key in KEYS], bins=50, range=(0, 1))
    assert stats.chisquare(counts).pvalue > 0.001


def test_shares_of_different_salts_are_independent() -> None:
    table, _, _ = np.histogram2d(*([share_of(key, salt) for key in KEYS] for salt in ("a", "b")), bins=10)
    assert stats.chi2_contingency(table).pvalue > 0.001


def test_shares_are_the_same_for_ever() -> None:
    """`printf '1:acustomer-17' | sha256sum`: every customer would change sides if this changed."""
    assert share_of("customer-17", "a") == (0xC27BF1E4652E5A67 >> 11) / 2**53
    script = "from tuft.operations.experiments import share_of; print(share_of('customer-17', 'a'))"
    path = str(Path(tuft.__file__).parents[1])
    for seed in ("1", "2"):
        environment = {"PYTHONPATH": path, "PYTHONHASHSEED": seed}
        printed = subprocess.run(
            [sys.executable, "-c", script], env=environment, text=True, capture_output=True, check=True
        )
        assert float(printed.stdout) == share_of("customer-17", "a")


def test_key_and_salt_do_not_run_into_each_other() -> None:
    assert share_of("bc", "a") != share_of("c", "ab")
    assert share_of("1", "12") != share_of("21", "1")


@given(st.text(), st.text())
def test_any_text_has_a_share(key: str, salt: str) -> None:
    assert 0 <= share_of(key, salt) < 1


def test_names_of_files_that_are_no_text_have_a_share() -> None:
    assert 0 <= share_of("dog\udcff.jpg", "a") < 1


def test_choices_follow_the_weights() -> None:
    weights = {"today": 5, "larger": 3, "sharper": 2, "never": 0}
    counts = Counter(weighted_choice(key, "a", weights) for key in KEYS)
    assert counts["never"] == 0
    expected = [len(KEYS) * weight / 10 for weight in (5, 3, 2)]
    assert stats.chisquare([counts["today"], counts["larger"], counts["sharper"]], expected).pvalue > 0.001


def test_a_growing_variant_keeps_whom_it_has() -> None:
    before: set[str] = set()
    for percent in (1, 10, 50, 100):
        weights = {"new": percent, "old": 100 - percent}
        now = {key for key in KEYS if weighted_choice(key, "a", weights) == "new"}
        assert before <= now
        assert len(now) == pytest.approx(len(KEYS) * percent / 100, rel=0.15)
        before = now


weights_of_four = st.lists(st.floats(0.01, 100), min_size=4, max_size=4)


@given(st.text(max_size=9), weights_of_four, st.integers(0, 3), st.floats(1, 1000))
def test_keys_move_only_to_the_variant_that_grows(key: str, weights: list[float], grown: int, factor: float) -> None:
    before = dict(zip("abcd", weights, strict=True))
    after = {**before, "abcd"[grown]: weights[grown] * factor}
    assert weighted_choice(key, "s", after) in (weighted_choice(key, "s", before), "abcd"[grown])


@given(st.text(max_size=9), weights_of_four)
def test_neither_order_nor_scale_matters(key: str, weights: list[float]) -> None:
    named = dict(zip("abcd", weights, strict=True))
    turned = {name: 4 * weight for name, weight in reversed(named.items())}
    assert weighted_choice(key, "s", named) == weighted_choice(key, "s", turned)
