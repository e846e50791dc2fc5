"""The transport against a gRPC server that speaks Triton's protocol in this process."""

from __future__ import annotations

import sys
import time
from concurrent import futures
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from support.triton_double import MODEL, SIZE, Double, red_channel
from tritonclient.grpc import service_pb2_grpc

from tuft import contract
from tuft.errors import (
    ContractError,
    ModelUnavailableError,
    ServerBusyError,
    ServerTimeoutError,
    ServerUnreachableError,
    SetupError,
)
from tuft.inference.transport.base import CallOptions
from tuft.inference.transport.triton import TritonTransport

if TYPE_CHECKING:
    from numpy.typing import NDArray


def test_the_saliency_is_what_the_server_computed(transport: TritonTransport, image: NDArray[np.uint8]) -> None:
    answer = transport.infer(MODEL, image, timeout_s=10)
    np.testing.assert_array_equal(answer.saliency, red_channel(image))
    assert answer.saliency.dtype == np.float32
    assert (answer.model, answer.version) == (MODEL, "7")


def test_half_precision_answers_are_welcome(
    transport: TritonTransport, double: Double, image: NDArray[np.uint8]
) -> None:
    double.outputs = (("SALIENCY", "FP16", [-1, SIZE, SIZE]),)
    answer = transport.infer(MODEL, image, timeout_s=10)
    np.testing.assert_array_equal(answer.saliency, red_channel(image).astype(np.float16).astype(np.float32))
    assert answer.saliency.dtype == np.float32


def test_the_largest_picture_passes(transport: TritonTransport, double: Double) -> None:
    side = max(contract.SIZES)
    double.inputs = (("IMAGE", "UINT8", [-1, side, side, 3]),)
    double.outputs = (("SALIENCY", "FP32", [-1, side, side]),)
    picture = np.full((side, side, 3), 255, np.uint8)
    assert transport.infer(MODEL, picture, timeout_s=30).saliency.min() == 1


def test_sixteen_threads_get_their_own_answers(transport: TritonTransport, rng: np.random.Generator) -> None:
    pictures = [rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(16)]
    with futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda picture: transport.infer(MODEL, picture, timeout_s=30), pictures))
    for picture, answer in zip(pictures, answers, strict=True):
        np.testing.assert_array_equal(answer.saliency, red_channel(picture))


def test_the_contract_is_checked_once(transport: TritonTransport, double: Double, image: NDArray[np.uint8]) -> None:
    for _ in range(3):
        transport.infer(MODEL, image, timeout_s=10)
    assert double.metadata_requests == 1


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ([("image", "UINT8", [-1, SIZE, SIZE, 3])], None, "takes image"),
        ([("IMAGE", "FP32", [-1, SIZE, SIZE, 3])], None, "FP32"),
        ([("IMAGE", "UINT8", [-1, 3, SIZE, SIZE])], None, r"\[-1, 3, 384, 384\]"),
        ([("IMAGE", "UINT8", [SIZE, SIZE, 3])], None, r"\[384, 384, 3\]"),
        ([("IMAGE", "UINT8", [-1, SIZE, SIZE, 3]), ("MASK", "UINT8", [-1])], None, "2 tensors"),
        (None, [("ALPHA", "FP32", [-1, SIZE, SIZE])], "no output SALIENCY"),
        (None, [("SALIENCY", "INT8", [-1, SIZE, SIZE])], "INT8"),
        (None, [("SALIENCY", "FP32", [-1, 1, SIZE, SIZE])], "instead of"),
        ([("IMAGE", "UINT8", [-1, -1, -1, 3])], None, "instead of pictures of one size"),
        ([("IMAGE", "UINT8", [-1])], None, "instead of pictures of one size"),
        ([("IMAGE", "UINT8", [-1, SIZE, 96, 3])], None, r"instead of IMAGE UINT8 \[-1, 96, 96, 3\]"),
        (None, [("SALIENCY", "FP32", [-1, 96, 96])], r"gives SALIENCY FP32 \[-1, 96, 96\] instead of"),
        (
            [("IMAGE", "UINT8", [-1, 96, 96, 3])],
            [("SALIENCY", "FP32", [-1, 96, 96])],
            r"pictures of \[96, 96, 3\] inst",
        ),
    ],
)
def test_a_model_with_other_tensors_is_refused_before_the_picture_is_sent(
    transport: TritonTransport,
    double: Double,
    image: NDArray[np.uint8],
    inputs: Any,
    outputs: Any,
    said: str,
) -> None:
    double.inputs = inputs or double.inputs
    double.outputs = outputs or double.outputs
    with pytest.raises(ContractError, match=said):
        transport.infer(MODEL, image, timeout_s=10)
    assert not double.requests


def test_a_models_size_is_asked_once(transport: TritonTransport, double: Double, image: NDArray[np.uint8]) -> None:
    assert [transport.model_size(MODEL, timeout_s=10) for _ in range(3)] == [SIZE] * 3
    transport.infer(MODEL, image, timeout_s=10)
    assert double.metadata_requests == 1


def test_the_size_of_a_model_that_does_not_fit_or_is_not_served(transport: TritonTransport, double: Double) -> None:
    with pytest.raises(ModelUnavailableError, match="does not serve birefnet_1024"):
        transport.model_size("birefnet_1024", timeout_s=10)
    double.inputs = (("pixel_values", "FP32", [-1, 3, 1024, 1024]),)
    with pytest.raises(ContractError, match=r"takes pixel_values FP32 .*`tuft-export adopt` if it is not tuft's own\."):
        transport.model_size(MODEL, timeout_s=10)


def test_an_answer_of_another_size_is_refused(
    transport: TritonTransport, double: Double, image: NDArray[np.uint8]
) -> None:
    double.compute = lambda picture: red_channel(picture)[::2]
    with pytest.raises(ContractError, match=r"\[1, 192, 384\] instead of \[1, 384, 384\]"):
        transport.infer(MODEL, image, timeout_s=10)


def test_an_answer_without_values_names_the_usual_cause(
    transport: TritonTransport, double: Double, image: NDArray[np.uint8]
) -> None:
    double.sent_bytes = False
    with pytest.raises(ContractError, match="numpy < 2"):
        transport.infer(MODEL, image, timeout_s=10)


def test_the_time_allowed_travels_to_the_queue_in_microseconds(
    transport: TritonTransport, double: Double, image: NDArray[np.uint8]
) -> None:
    transport.infer(MODEL, image, timeout_s=10)
    sent = double.requests[0].parameters["timeout"].int64_param
    assert 5e6 < sent <= 10e6


def test_a_slow_answer_is_a_timeout(transport: TritonTransport, double: Double, image: NDArray[np.uint8]) -> None:
    double.delay_s = 30
    with pytest.raises(ServerTimeoutError, match=r"within 0\.3 s"):
        transport.infer(MODEL, image, timeout_s=0.3)


def test_the_servers_failure_becomes_ours_and_keeps_its_cause(
    transport: TritonTransport, double: Double, image: NDArray[np.uint8]
) -> None:
    double.failure = (grpc.StatusCode.UNAVAILABLE, "[request id: <id_unknown>] Exceeds maximum queue size")
    with pytest.raises(ServerBusyError) as caught:
        transport.infer(MODEL, image, timeout_s=10)
    assert "StatusCode.UNAVAILABLE" in str(caught.value.__cause__)


def test_a_model_that_is_not_served(transport: TritonTransport, image: NDArray[np.uint8]) -> None:
    with pytest.raises(ModelUnavailableError, match="inspyrenet_2048"):
        transport.infer("inspyrenet_2048", image, timeout_s=10)
    assert not transport.is_ready("inspyrenet_2048")
    assert transport.ready_models() == (MODEL,)


def test_ready_versions_come_in_the_order_of_their_numbers(transport: TritonTransport, double: Double) -> None:
    double.versions = ("10", "9")
    assert transport.ready_versions(MODEL) == ("9", "10")
    assert transport.ready_versions("inspyrenet_2048") == ()


def test_models_that_are_not_tufts_are_listed_for_the_key(transport: TritonTransport, double: Double) -> None:
    double.others = ("isnet_1024", "birefnet_1024")
    assert transport.other_models() == ("birefnet_1024", "isnet_1024")
    double.key = "secret"
    assert transport.other_models("secret") == ("birefnet_1024", "isnet_1024")
    with pytest.raises(ServerUnreachableError, match="does not let this client in") as caught:
        transport.other_models()
    assert not caught.value.transient


def test_a_missing_version_is_named(
    transport: TritonTransport, server: str, double: Double, image: NDArray[np.uint8]
) -> None:
    message = f"Request for unknown model: '{MODEL}' version 9 is not at ready state"
    double.failure = (grpc.StatusCode.UNAVAILABLE, message)
    with pytest.raises(ModelUnavailableError, match=f"does not serve version 9 of {MODEL}, or not yet"):
        transport.infer(MODEL, image, timeout_s=10, options=CallOptions(version="9"))
    pinned = TritonTransport(server, model_version="3")
    with pytest.raises(ModelUnavailableError, match="does not serve version 3 of inspyrenet_2048, or not yet"):
        pinned.model_size("inspyrenet_2048", timeout_s=10)
    pinned.close()


def test_who_answers(transport: TritonTransport) -> None:
    info = transport.server_info()
    assert (info.name, info.version) == ("triton", "2.51.0")


def test_a_closed_port_is_found_quickly(closed_port: int, image: NDArray[np.uint8]) -> None:
    transport = TritonTransport(f"localhost:{closed_port}")
    began_s = time.monotonic()
    with pytest.raises(ServerUnreachableError, match="tuft serve"):
        transport.infer(MODEL, image, timeout_s=60)
    assert time.monotonic() - began_s < 30  # long before the deadline
    transport.close()


def test_a_proxy_is_not_asked_for_this_machine(
    server: str, closed_port: int, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("http_proxy", "grpc_proxy"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{closed_port}")
    transport = TritonTransport(server)
    transport.infer(MODEL, image, timeout_s=10)
    transport.close()


def test_a_server_that_comes_back_is_found_again(image: NDArray[np.uint8]) -> None:
    def started(port: int) -> tuple[grpc.Server, int]:
        grpc_server = grpc.server(futures.ThreadPoolExecutor(2))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Double(), grpc_server)
        bound = grpc_server.add_insecure_port(f"127.0.0.1:{port}")
        grpc_server.start()
        return grpc_server, bound

    first, port = started(0)
    transport = TritonTransport(f"127.0.0.1:{port}")
    transport.infer(MODEL, image, timeout_s=10)
    first.stop(None).wait()
    with pytest.raises(ServerUnreachableError):
        transport.infer(MODEL, image, timeout_s=10)
    second, _ = started(port)
    deadline_s = time.monotonic() + 10
    while True:
        try:
            transport.infer(MODEL, image, timeout_s=10)
            break
        except ServerUnreachableError:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
    transport.close()
    second.stop(None).wait()


def test_closing_ends_the_request_on_its_way(server: str, double: Double, image: NDArray[np.uint8]) -> None:
    double.delay_s = 30
    transport = TritonTransport(server)
    with futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(transport.infer, MODEL, image, timeout_s=60)
        while not double.requests:
            time.sleep(0.01)
        transport.close()
        with pytest.raises(ServerUnreachableError, match="ended"):
            waiting.result(timeout=10)


def test_a_closed_transport_says_so(server: str, image: NDArray[np.uint8]) -> None:
    transport = TritonTransport(server)
    transport.close()
    transport.close()
    with pytest.raises(ServerUnreachableError, match="closed"):
        transport.infer(MODEL, image, timeout_s=10)


@pytest.mark.parametrize("missing", ["tritonclient", "tritonclient.grpc", "grpc"])
def test_a_missing_tritonclient_names_the_remedy(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "tritonclient"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SetupError, match="pip install"):
        TritonTransport("localhost:8001")
