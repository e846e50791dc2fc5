from __future__ import annotations

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.out_of_memory import WORDS

from tuft import errors
from tuft.errors import (
    CircuitOpenError,
    ContractError,
    InferenceError,
    ModelUnavailableError,
    PromptModelMissingError,
    ServerBusyError,
    ServerError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from tuft.inference.transport.failures import MAX_DETAIL_CHARACTERS, RULES, Connection, error_from_status

STATUSES = [status for status in grpc.StatusCode if status is not grpc.StatusCode.OK]


def error(status: str, message: str) -> ServerError:
    return error_from_status(
        status, message, connection=Connection("localhost:8001"), model="inspyrenet_1024", timeout_s=60
    )


def test_every_status_of_grpc_has_a_row_that_needs_no_message() -> None:
    told = {rule.status for rule in RULES if rule.pattern is None}
    assert told == {status.name for status in STATUSES}


def test_every_server_error_that_a_call_can_meet_has_a_row() -> None:
    classes = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ServerError)}
    assert {rule.error for rule in RULES} == classes - {
        ServerError,
        CircuitOpenError,
        PromptModelMissingError,
    }  # their calls are not made


# Messages as Triton 2.51, gRPC and the runtimes below it word them.
@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        ("UNAVAILABLE", "[request id: <id_unknown>] Exceeds maximum queue size", ServerBusyError),
        ("UNAVAILABLE", "[request id: <id_unknown>] Request timeout expired", ServerBusyError),
        ("UNAVAILABLE", "Request for unknown model: 'm' version 1 is not at ready state", ModelUnavailableError),
        ("UNAVAILABLE", "Request for unknown model: 'm' has no available versions", ModelUnavailableError),
        ("NOT_FOUND", "Request for unknown model: 'm' is not found", ModelUnavailableError),
        ("UNAVAILABLE", "no version is available", ModelUnavailableError),
        ("UNAVAILABLE", "model 'm' is not ready", ModelUnavailableError),
        ("UNAVAILABLE", "failed to connect to all addresses; Connection refused (111)", ServerUnreachableError),
        ("UNAVAILABLE", "DNS resolution failed for nowhere:8001", ServerUnreachableError),
        ("UNAVAILABLE", "Server is stopping, scheduler for model has stopped", ServerUnreachableError),
        ("UNAVAILABLE", "Trying to connect an http1.x server", ServerUnreachableError),
        ("UNAVAILABLE", "This protocol is restricted, expecting header 'x'", ServerUnreachableError),
        ("UNAVAILABLE", "Socket closed", ServerUnreachableError),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", ServerTimeoutError),
        ("INTERNAL", "CUDA failure 2: out of memory ; GPU=0", ServerOutOfMemoryError),
        ("INTERNAL", "cudaErrorMemoryAllocation: out of memory", ServerOutOfMemoryError),
        ("INTERNAL", "Failed to allocate memory for requested buffer of size 1073741824", ServerOutOfMemoryError),
        ("INTERNAL", "CNMEM_STATUS_OUT_OF_MEMORY", ServerOutOfMemoryError),
        ("INTERNAL", "message: MemoryError: \n\nAt:\n  model.py(33): execute", ServerOutOfMemoryError),
        ("INTERNAL", "Unable to allocate 1.2 GiB for an array with shape (1,)", ServerOutOfMemoryError),
        ("INTERNAL", "std::bad_alloc", ServerOutOfMemoryError),
        ("INTERNAL", "CL_OUT_OF_RESOURCES", ServerOutOfMemoryError),
        ("INTERNAL", "Failed to increase the shared memory pool size", ServerOutOfMemoryError),
        ("RESOURCE_EXHAUSTED", "out of memory", ServerOutOfMemoryError),
        ("RESOURCE_EXHAUSTED", "quota", ServerBusyError),
        ("RESOURCE_EXHAUSTED", "Received message larger than max (1 vs. 0)", InferenceError),
        ("INVALID_ARGUMENT", "unexpected shape for input 'IMAGE' for model 'm'", ContractError),
        ("INTERNAL", "Stub process 'm_0' is not healthy.", ServerOutOfMemoryError),
        ("INTERNAL", "Failed to open shared memory region", InferenceError),
        ("UNIMPLEMENTED", "Method not found!", ServerUnreachableError),
        ("", "got unexpected datatype", InferenceError),
    ],
)
def test_messages(status: str, message: str, expected: type[ServerError]) -> None:
    assert type(error(status, message)) is expected


def test_a_missing_version_is_told_apart_from_a_missing_model() -> None:
    options = {"connection": Connection("gpu:8001"), "model": "inspyrenet_1024", "timeout_s": 60.0}
    message = "Request for unknown model: 'inspyrenet_1024' version 9 is not at ready state"
    told = error_from_status("UNAVAILABLE", message, **options, version="9")
    assert str(told).startswith("gpu:8001 does not serve version 9 of inspyrenet_1024, or not yet (")
    told = error_from_status("NOT_FOUND", "Request for unknown model", **options)
    assert str(told).startswith("gpu:8001 does not serve inspyrenet_1024, or not yet (")


@pytest.mark.parametrize("status", ["INTERNAL", "UNAVAILABLE", "UNKNOWN", "RESOURCE_EXHAUSTED", ""])
@pytest.mark.parametrize("source", WORDS)
def test_out_of_memory_in_anybodys_words(source: str, status: str) -> None:
    told = error(status, f"[request id: 1] in ensemble, {WORDS[source]}\nmore")
    assert type(told) is ServerOutOfMemoryError
    assert not told.transient


@pytest.mark.parametrize(
    "message", ["allocated 12 GB", "memory pool at 40 %", "failed to load", "the memory of a customer", "resources: 3"]
)
def test_other_words_about_memory_are_no_lack_of_it(message: str) -> None:
    assert type(error("INTERNAL", message)) is InferenceError


@pytest.mark.parametrize(
    ("status", "message", "transient"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses; Connection refused (111)", True),
        ("UNAVAILABLE", "Socket closed", True),
        ("UNAVAILABLE", "Server is stopping, scheduler for model has stopped", True),
        ("UNAVAILABLE", "Request for unknown model: 'm' version 1 is not at ready state", True),
        ("CANCELLED", "", True),
        ("UNAVAILABLE", "Exceeds maximum queue size", False),
        ("UNAVAILABLE", "Request timeout expired", False),
        ("UNAVAILABLE", "out of memory", False),
        ("UNAVAILABLE", "Trying to connect an http1.x server", False),
        ("UNAVAILABLE", "This protocol is restricted, expecting header 'x'", False),
        ("NOT_FOUND", "Request for unknown model: 'm' is not found", False),
        ("UNIMPLEMENTED", "Method not found!", False),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", False),
        ("INTERNAL", "boom", False),
        ("INVALID_ARGUMENT", "unexpected shape", False),
    ],
)
def test_what_may_be_sent_again(status: str, message: str, transient: bool) -> None:
    assert error(status, message).transient is transient


@given(st.sampled_from([*(status.name for status in STATUSES), "", "A_STATUS_TO_COME"]), st.text())
def test_every_failure_becomes_one_short_sentence_of_ours(status: str, message: str) -> None:
    said = str(error(status, message))
    assert isinstance(error(status, message), ServerError)
    assert len(said.splitlines()) == 1
    assert len(said) < MAX_DETAIL_CHARACTERS + 200
    assert said.endswith((".", ")."))
    assert ": " in said  # the remedy follows the colon
