from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tuft import CancelToken
from tuft.errors import RequestCancelledError
from tuft.inference.resilience import linked_token


def test_a_token_calls_whoever_is_on_the_way_and_nobody_else() -> None:
    token, called = CancelToken(), []
    with token.on_cancel(lambda: called.append("before")):
        pass
    with token.on_cancel(lambda: called.append("during")):
        token.cancel()
        token.cancel()
    with token.on_cancel(lambda: called.append("late")):
        pass
    assert called == ["during", "late"]


def test_one_callback_given_twice_is_called_twice() -> None:
    token, called = CancelToken(), []

    def callback() -> None:
        called.append(1)

    with token.on_cancel(callback), token.on_cancel(callback):
        token.cancel()
    assert called == [1, 1]


def test_waiting_ends_as_soon_as_it_is_cancelled() -> None:
    token = CancelToken()
    threading.Timer(0.1, token.cancel).start()
    began_s = time.monotonic()
    with pytest.raises(RequestCancelledError, match="cancelled"):
        token.wait(30)
    assert time.monotonic() - began_s < 10
    with pytest.raises(RequestCancelledError):
        token.raise_if_cancelled()


def test_without_a_cancel_waiting_is_sleeping() -> None:
    token = CancelToken()
    token.wait(0.01)
    token.raise_if_cancelled()
    assert not token.cancelled


def test_either_of_two_tokens_cancels_the_joint_one_inside_the_block_only() -> None:
    for cancels in (0, 1):
        tokens = CancelToken(), CancelToken()
        with linked_token(tokens[0], None, tokens[1]) as joint:
            assert not joint.cancelled
            tokens[cancels].cancel()
            assert joint.cancelled
        assert not tokens[1 - cancels].cancelled
    token = CancelToken()
    with linked_token(token) as joint:
        pass
    token.cancel()
    assert not joint.cancelled


def test_nobody_is_forgotten_among_threads() -> None:
    token, called, leave = CancelToken(), threading.Semaphore(0), threading.Event()
    all_inside = threading.Barrier(17)

    def wait_for_it(_: int) -> None:
        with token.on_cancel(called.release):
            all_inside.wait()
            leave.wait()

    with ThreadPoolExecutor(16) as pool:
        waiting = pool.map(wait_for_it, range(16))
        all_inside.wait()
        token.cancel()
        leave.set()
        list(waiting)
    assert [called.acquire(blocking=False) for _ in range(17)] == [True] * 16 + [False]
