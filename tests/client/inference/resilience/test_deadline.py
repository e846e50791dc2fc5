from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.timed import Clock

from tuft.inference.resilience import Deadline


def test_time_runs_out_and_never_below_nothing() -> None:
    clock = Clock()
    deadline = Deadline(10, clock=clock)
    assert deadline.remaining_s == 10
    clock.now_s += 9
    assert deadline.remaining_s == pytest.approx(1)
    assert not deadline.passed
    clock.now_s += 9
    assert deadline.remaining_s == 0
    assert deadline.passed


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 5)), max_size=8))
def test_shares_of_shares_never_end_after_the_whole(steps: list[tuple[float, float]]) -> None:
    clock = Clock()
    whole = part = Deadline(10, clock=clock)
    for share, passes_s in steps:
        part = part.share(share)
        assert part.remaining_s <= whole.remaining_s + 1e-9
        clock.now_s += passes_s
    assert part.remaining_s <= whole.remaining_s + 1e-9
