"""What is sent to the server with a picture, and how a request is cancelled."""

from __future__ import annotations

import signal
import sys
import threading
import time
from concurrent import futures
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.triton_double import MODEL, Double

from tuft import CallOptions, CancelToken
from tuft.errors import RequestCancelledError, ServerTimeoutError
from tuft.inference.transport.triton import TritonTransport

if TYPE_CHECKING:
    from numpy.typing import NDArray


def queue_timeout_us(double: Double) -> int:
    return int(double.requests[-1].parameters["timeout"].int64_param)


def test_nothing_goes_along_by_default(transport: TritonTransport, double: Double, image: NDArray[np.uint8]) -> None:
    transport.infer(MODEL, image, timeout_s=10)
    (request,) = double.requests
    assert (request.id, request.model_version) == ("", "")
    assert "traceparent" not in double.metadata[0]


def test_id_version_and_headers_reach_the_server(
    transport: TritonTransport, double: Double, image: NDArray[np.uint8]
) -> None:
    options = CallOptions(version="3", request_id="a1", headers={"traceparent": "00-1-2-01"})
    transport.infer(MODEL, image, timeout_s=10, options=options)
    (request,) = double.requests
    assert (request.id, request.model_version) == ("a1", "3")
    assert double.metadata[0]["traceparent"] == "00-1-2-01"


@pytest.mark.parametrize(("asked_s", "least_s", "most_s"), [(None, 5, 10), (2.0, 2, 2), (99.0, 5, 10)])
def test_the_queue_gets_no_more_time_than_the_request(
    transport: TritonTransport,
    double: Double,
    image: NDArray[np.uint8],
    asked_s: float | None,
    least_s: float,
    most_s: float,
) -> None:
    transport.infer(MODEL, image, timeout_s=10, options=CallOptions(queue_timeout_s=asked_s))
    assert least_s * 1e6 <= queue_timeout_us(double) <= most_s * 1e6


def test_a_request_that_is_taken_back_ends_at_once_here_and_there(
    transport: TritonTransport, double: Double, image: NDArray[np.uint8]
) -> None:
    double.delay_s = 30
    cancel = CancelToken()
    with futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(transport.infer, MODEL, image, timeout_s=60, options=CallOptions(cancel=cancel))
        assert double.asked.wait(10)
        cancel.cancel()
        with pytest.raises(RequestCancelledError):
            waiting.result(timeout=20)  # the answer would take longer
    assert double.abandoned.wait(10)


def test_others_on_the_same_connection_go_on(
    transport: TritonTransport, double: Double, image: NDArray[np.uint8]
) -> None:
    double.delay_s = 30
    cancel = CancelToken()
    with futures.ThreadPoolExecutor(2) as pool:
        taken_back = pool.submit(transport.infer, MODEL, image, timeout_s=60, options=CallOptions(cancel=cancel))
        other = pool.submit(transport.infer, MODEL, image, timeout_s=60)
        while len(double.requests) < 2:
            time.sleep(0.01)
        cancel.cancel()
        with pytest.raises(RequestCancelledError):
            taken_back.result(timeout=10)
        double.released.set()
        assert other.result(timeout=10).version == "7"


def test_a_token_that_is_cancelled_already_sends_nothing(
    transport: TritonTransport, double: Double, image: NDArray[np.uint8]
) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(RequestCancelledError):
        transport.infer(MODEL, image, timeout_s=10, options=CallOptions(cancel=cancel))
    assert not double.requests


def test_a_token_that_is_cancelled_too_late_changes_nothing(
    transport: TritonTransport, image: NDArray[np.uint8]
) -> None:
    cancel = CancelToken()
    assert transport.infer(MODEL, image, timeout_s=10, options=CallOptions(cancel=cancel)).version == "7"
    cancel.cancel()
    assert transport.infer(MODEL, image, timeout_s=10).version == "7"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_an_interruption_takes_it_back_as_well(
    transport: TritonTransport, double: Double, image: NDArray[np.uint8]
) -> None:
    """As Ctrl-C does, here to this process; a command gets one in tests/server/test_faults.py."""
    double.delay_s = 30

    def interrupt() -> None:
        assert double.asked.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            transport.infer(MODEL, image, timeout_s=60)
    finally:
        interrupting.join()
        signal.signal(signal.SIGINT, before)
    assert double.abandoned.wait(10)


def test_one_that_is_late_is_taken_back_too(
    transport: TritonTransport, double: Double, image: NDArray[np.uint8]
) -> None:
    double.delay_s = 30
    with pytest.raises(ServerTimeoutError):
        transport.infer(MODEL, image, timeout_s=0.3)
    assert double.abandoned.wait(10)


def test_no_thread_is_left_of_many_requests(transport: TritonTransport, image: NDArray[np.uint8]) -> None:
    transport.infer(MODEL, image, timeout_s=10)
    before = threading.active_count()
    with futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: transport.infer(MODEL, image, timeout_s=30), range(40)))
    assert threading.active_count() <= before + 20  # the double's own pool
