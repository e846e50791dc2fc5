"""Credits: a request is charged at most once and never for an error, whatever breaks in between."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, func, select

from tuft_gateway.accounts import InsufficientCreditsError, KeyStore, Ledger, open_database
from tuft_gateway.accounts.database import charges, metadata, reservations, usage

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE = Decimal(1)
NOON = 1_790_000_000.0


class Clock:
    """A clock that the test moves."""

    now_s = NOON

    def __call__(self) -> float:
        return self.now_s


class CrashError(BaseException):
    """The gateway's death: nothing of it may be handled."""


class Crashing:
    """Lets an engine die at its n-th statement from now."""

    def __init__(self, engine: Engine) -> None:
        self.left: int | None = None
        event.listen(engine, "before_cursor_execute", self._before)

    def _before(self, *_: Any) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise CrashError


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(engine: Engine, clock: Clock) -> Ledger:
    return Ledger(engine, lease_s=60, now=clock)


@pytest.fixture
def key_id(engine: Engine) -> str:
    """A key with ten credits a month."""
    return KeyStore(engine).add("shop", Decimal(10))[1].id


def settle(ledger: Ledger, request_id: str, key_id: str) -> Decimal:
    return ledger.settle(request_id, key_id, preset="standard", megapixels=12.0)


def test_a_result_is_charged_and_an_error_is_not(ledger: Ledger, key_id: str) -> None:
    ledger.reserve("good", key_id, ONE)
    ledger.reserve("bad", key_id, Decimal("0.25"))
    assert ledger.usage(key_id).reserved == Decimal("1.25")
    assert settle(ledger, "good", key_id) == ONE
    ledger.refund("bad")
    assert (ledger.usage(key_id).charged, ledger.usage(key_id).reserved) == (ONE, 0)
    assert settle(ledger, "bad", key_id) == 0, "what was given back cannot be charged"
    assert settle(ledger, "good", key_id) == 0, "nor can the same request twice"
    assert ledger.usage(key_id).charged == ONE


def test_reserved_credits_cannot_be_spent_again(ledger: Ledger, key_id: str) -> None:
    for number in range(10):
        ledger.reserve(str(number), key_id, ONE)
    with pytest.raises(InsufficientCreditsError) as caught:
        ledger.reserve("eleventh", key_id, Decimal("0.01"))
    assert caught.value.remaining == 0
    ledger.refund("3")
    ledger.reserve("eleventh", key_id, ONE)


def test_what_a_dead_gateway_reserved_comes_back(ledger: Ledger, key_id: str, clock: Clock) -> None:
    ledger.reserve("lost", key_id, Decimal(10))
    clock.now_s += 59
    with pytest.raises(InsufficientCreditsError):
        ledger.reserve("next", key_id, ONE)
    clock.now_s += 2
    ledger.reserve("next", key_id, ONE)
    assert settle(ledger, "lost", key_id) == 0
    assert ledger.usage(key_id).reserved == ONE


def test_each_month_begins_with_all_credits(ledger: Ledger, key_id: str, clock: Clock) -> None:
    ledger.reserve("this month", key_id, Decimal(10))
    settle(ledger, "this month", key_id)
    clock.now_s += 31 * 86_400
    assert ledger.usage(key_id).charged == 0
    ledger.reserve("next month", key_id, Decimal(10))


def test_a_key_without_limit_is_counted_only(ledger: Ledger, engine: Engine) -> None:
    key_id = KeyStore(engine).add("own")[1].id
    ledger.reserve("large", key_id, Decimal(1_000_000))
    settle(ledger, "large", key_id)
    assert ledger.usage(key_id).charged == 1_000_000


def test_many_at_once_spend_exactly_what_there_is(ledger: Ledger, key_id: str) -> None:
    def request(number: int) -> bool:
        try:
            ledger.reserve(str(number), key_id, ONE)
        except InsufficientCreditsError:
            return False
        settle(ledger, str(number), key_id)
        return True

    with ThreadPoolExecutor(8) as threads:
        served = list(threads.map(request, range(30)))
    assert sum(served) == 10
    assert ledger.usage(key_id).charged == 10


step = st.tuples(
    st.sampled_from(["reserve", "settle", "refund", "wait"]), st.integers(0, 4), st.none() | st.integers(0, 6)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, max_size=30))
def test_no_crash_charges_twice_or_for_an_error(
    engine: Engine, ledger: Ledger, key_id: str, clock: Clock, steps: list[tuple[str, int, int | None]]
) -> None:
    with engine.begin() as connection:
        for table in (reservations, charges, usage):
            connection.execute(delete(table))
    crashing = Crashing(engine)
    refunded: set[str] = set()
    for action, number, crash_at in steps:
        request_id = str(number)
        crashing.left = crash_at
        try:
            if action == "reserve":
                if request_id not in refunded and not _known(engine, crashing, request_id):
                    ledger.reserve(request_id, key_id, ONE)
            elif action == "settle":
                settle(ledger, request_id, key_id)
            elif action == "refund":
                ledger.refund(request_id)
                if not _charged(engine, crashing, request_id):
                    refunded.add(request_id)
            else:
                clock.now_s += 61
        except CrashError:
            engine.dispose()  # its connections die with it
        except InsufficientCreditsError:
            pass
        crashing.left = None
        _consistent(engine, ledger, key_id, refunded)
    clock.now_s += 61
    assert ledger.usage(key_id).reserved == 0, "everything that was left behind has expired"


def _known(engine: Engine, crashing: Crashing, request_id: str) -> bool:
    return bool(_count(engine, crashing, reservations, request_id) or _charged(engine, crashing, request_id))


def _charged(engine: Engine, crashing: Crashing, request_id: str) -> bool:
    return bool(_count(engine, crashing, charges, request_id))


def _count(engine: Engine, crashing: Crashing, table: Any, request_id: str) -> int:
    left, crashing.left = crashing.left, None
    with engine.begin() as connection:
        found = select(func.count()).select_from(table).where(table.c.request_id == request_id)
        count: int = connection.execute(found).scalar_one()
    crashing.left = left
    return count


def _consistent(engine: Engine, ledger: Ledger, key_id: str, refunded: set[str]) -> None:
    with engine.begin() as connection:
        rows = connection.execute(select(charges.c.request_id, charges.c.hundredths)).all()
    assert len({row.request_id for row in rows}) == len(rows)
    assert refunded.isdisjoint(row.request_id for row in rows)
    assert ledger.usage(key_id).charged * 100 == sum(row.hundredths for row in rows)
    assert ledger.usage(key_id).requests == len(rows)


WORKER = """
import sys
from decimal import Decimal
from tuft_gateway.accounts import Ledger, open_database
ledger = Ledger(open_database(sys.argv[1]), lease_s=1)
for number in range(10_000):
    request = f"{sys.argv[3]}-{number}"
    ledger.reserve(request, sys.argv[2], Decimal(1))
    if number % 3:
        ledger.settle(request, sys.argv[2], preset="standard", megapixels=1.0)
        print(request, flush=True)
    else:
        ledger.refund(request)
"""


@pytest.mark.slow
def test_gateways_that_are_killed_leave_exact_books(database_url: str, tmp_path: Path) -> None:
    engine = open_database(database_url)
    key_id = KeyStore(engine).add("own")[1].id
    chance = random.Random(7)
    told: list[str] = []
    for life in range(3):
        output = tmp_path / f"{life}.txt"
        with output.open("wb") as file:
            command = [sys.executable, "-c", WORKER, database_url, key_id, str(life)]
            worker = subprocess.Popen(command, stdout=file, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        _wait_for(output)
        time.sleep(chance.random() * 0.3)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        # The last line may be torn, and the last charge may not have been told.
        told += output.read_text().rpartition("\n")[0].split()
    with engine.begin() as connection:
        booked = {row.request_id for row in connection.execute(select(charges.c.request_id))}
        total = connection.execute(select(usage.c.hundredths).where(usage.c.key_id == key_id)).scalar_one()
    assert set(told) <= booked
    assert len(booked) - len(told) <= 3
    assert total == 100 * len(booked)
    assert all(int(request.partition("-")[2]) % 3 for request in booked), "no error was charged"
    time.sleep(1.1)
    assert Ledger(engine, lease_s=1).usage(key_id).reserved == 0
    engine.dispose()


def _wait_for(output: Path) -> None:
    deadline_s = time.monotonic() + 60
    while output.stat().st_size == 0:
        assert time.monotonic() < deadline_s, "the worker does not charge"
        time.sleep(0.02)


def test_the_tables_are_made_once(database_url: str) -> None:
    for _ in range(2):
        opened = open_database(database_url)
        with opened.begin() as connection:
            assert connection.execute(select(func.count()).select_from(usage)).scalar_one() == 0
        opened.dispose()
    assert len(metadata.sorted_tables) == 4


@pytest.fixture(autouse=True)
def _no_listeners_left(engine: Engine) -> Iterator[None]:
    yield
    engine.dispose()
