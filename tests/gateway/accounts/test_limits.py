"""Rate limits, in memory and in a real Redis."""

from __future__ import annotations

import time

import pytest

from tuft.errors import OptionError, SetupError
from tuft_gateway.accounts import RateLimiter


@pytest.fixture(params=["memory", "redis"])
def storage(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("redis"))


def test_megapixels_count(storage: str) -> None:
    limiter = RateLimiter(storage, megapixels_per_minute=50)
    first = limiter.photograph("a", 12)
    assert (first.allowed, first.limit, first.remaining) == (True, 50, 38)
    assert 0 < first.reset_s - time.time() <= 61
    assert limiter.photograph("a", 38).allowed
    refused = limiter.photograph("a", 1)
    assert not refused.allowed
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert limiter.photograph("b", 12).allowed, "each key has its own"


def test_a_refused_photograph_uses_nothing_up(storage: str) -> None:
    limiter = RateLimiter(storage, megapixels_per_minute=20)
    limiter.photograph("c", 15)
    assert not limiter.photograph("c", 6).allowed
    assert limiter.photograph("c", 5).allowed


def test_a_photograph_larger_than_a_window_is_served_alone(storage: str) -> None:
    limiter = RateLimiter(storage, megapixels_per_minute=20)
    assert limiter.photograph("d", 50).allowed
    assert not limiter.photograph("d", 1).allowed


def test_several_gateways_share_a_limit_in_redis(redis: str) -> None:
    one, other = (RateLimiter(redis, megapixels_per_minute=10) for _ in range(2))
    assert one.photograph("shared", 6).allowed
    assert not other.photograph("shared", 6).allowed


def test_reports_have_a_limit_of_their_own(storage: str) -> None:
    limiter = RateLimiter(storage, megapixels_per_minute=1, reports_per_day=2)
    assert [limiter.report("e").allowed for _ in range(3)] == [True, True, False]


def test_a_storage_that_is_none_is_one_sentence() -> None:
    with pytest.raises(OptionError, match="memory://"):
        RateLimiter("nothing://host")
    with pytest.raises(SetupError, match="does not answer"):
        RateLimiter("redis://127.0.0.1:1")
