from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tuft.inference.resilience import RetryPolicy


def test_the_longest_waits_double_up_to_the_cap() -> None:
    policy = RetryPolicy(9, base_s=0.25, cap_s=2.0, random=lambda: 1.0)
    assert [policy.delay_s(retry) for retry in range(6)] == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


@given(st.integers(0, 500), st.floats(0, 1))
def test_a_wait_is_anything_from_none_to_the_longest(retry: int, drawn: float) -> None:
    policy = RetryPolicy(9, random=lambda: drawn)
    assert 0 <= policy.delay_s(retry) <= policy.cap_s
    assert policy.delay_s(retry) == drawn * RetryPolicy(9, random=lambda: 1.0).delay_s(retry)


def test_clients_that_failed_together_come_back_spread_out() -> None:
    policy = RetryPolicy(9, random=random.Random(1).random)
    waits = [policy.delay_s(2) for _ in range(2000)]
    quarters = [sum(low <= wait < low + 0.25 for wait in waits) for low in (0.0, 0.25, 0.5, 0.75)]
    assert sum(quarters) == 2000
    assert min(quarters) > 400  # 500 each if they are even; a deviation of 100 is five standard deviations
