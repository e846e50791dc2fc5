from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuft.inference.resilience import RetryBudget


def spent(budget: RetryBudget, times: int) -> int:
    return sum(budget.try_withdraw() for _ in range(times))


def test_the_first_ten_are_free_and_a_tenth_follows() -> None:
    budget = RetryBudget(10)
    assert spent(budget, 20) == 10
    for _ in range(9):
        budget.deposit()
    assert not budget.try_withdraw()
    budget.deposit()
    assert budget.try_withdraw()
    assert not budget.try_withdraw()


def test_what_is_not_spent_is_not_saved_up() -> None:
    budget = RetryBudget(10)
    for _ in range(100_000):
        budget.deposit()
    assert spent(budget, 100) == 10


@pytest.mark.parametrize("percent", [0, 0.0])
def test_none_at_all(percent: float) -> None:
    budget = RetryBudget(percent)
    budget.deposit()
    assert not budget.try_withdraw()


@given(st.lists(st.booleans(), max_size=400), st.floats(0.5, 100))
def test_retries_never_exceed_their_share_of_the_requests(requests_or_retries: list[bool], percent: float) -> None:
    budget, requests, retries = RetryBudget(percent), 0, 0
    for is_request in requests_or_retries:
        if is_request:
            budget.deposit()
            requests += 1
        else:
            retries += budget.try_withdraw()
        assert retries <= 10 + requests * percent / 100 + 1e-6


def test_every_request_may_fail_at_once_in_a_thousand_threads() -> None:
    budget = RetryBudget(10)

    def request_that_fails(_: int) -> int:
        budget.deposit()
        return spent(budget, 3)

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(request_that_fails, range(1000))) <= 10 + 100
