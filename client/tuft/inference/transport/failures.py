"""Maps gRPC failures to tuft's errors: one table of status and message.

The status alone is ambiguous: Triton sends UNAVAILABLE for a full queue, for a model that is still loading and
for a server that is going away, and gRPC sends it when nothing listens (measured with Triton 2.51).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tuft.errors import (
    ContractError,
    InferenceError,
    ModelUnavailableError,
    ServerBusyError,
    ServerError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
)

MAX_DETAIL_CHARACTERS: Final = 200
_PREAMBLE: Final = re.compile(
    r"^(\[request id: [^\]]*\] )?(Failed to process the request\(s\) for model .*?, message: )?"
)

# The wordings of CUDA, TensorRT, ONNX Runtime, OpenVINO, OpenCL, C++ and Python.
_OUT_OF_MEMORY: Final = "|".join(
    (
        r"out[ _]?of[ _]?((host|device|gpu)[ _])?(memory|resources)",
        r"memory ?error|error ?memory ?allocation|bad[_ ]?alloc",
        r"(failed to|unable to|not enough memory to|could not|cannot) (re)?allocate|could not be allocated",
        r"alloc(ation)?[ _]fail|exceeded max size of memory",
        r"failed to increase the shared memory pool",
        # The process of a Python model is gone; on a healthy machine only the kernel's OOM killer ends it.
        r"stub process .* is not healthy",
    )
)
_NOT_SERVED: Final = "|".join(
    (
        r"unknown model|not at ready state|model version not ready",
        r"no available versions|no version is available",
        r"model ('[^']*' )?(is )?not (found|ready)",
    )
)
# A gRPC client on an HTTP port: some servers say so, Triton closes the connection.
_NOT_GRPC: Final = r"http1\.x server|failed to connect to all addresses.*socket closed"
_GOING_AWAY: Final = r"server is stopping|socket closed|connection reset|broken pipe|goaway|stream removed"

_NO_MEMORY: Final = "{server} has not enough memory for {model}: take a smaller preset or size."
_QUEUE_FULL: Final = "{server} is busy, its queue for {model} is full: try again later."
_QUEUED_TOO_LONG: Final = "{server} is busy, the request for {model} waited too long: try again later."
_NO_MODEL: Final = "{server} does not serve {named}, or not yet ({detail}): `tuft doctor` lists what it serves by now."
_HTTP_PORT: Final = "{server} does not speak gRPC: give the server's gRPC port, 8001 unless it was changed."
_NO_ENTRY: Final = "{server} does not let this client in ({detail}): ask whoever runs it for access."
_NOBODY: Final = "Nothing answers at {server}: start it with `tuft serve`, or give another address (TUFT_URL)."
_STRANGER: Final = "{server} is no model server that tuft knows ({detail}): check the address and http_proxy."
_ENDED: Final = "The connection to {server} ended before the answer came ({detail}): try again."
_TOO_LATE: Final = (
    "No answer about {model} came from {server} within {timeout_s:g} s: allow more time or take a smaller preset."
)
_WRONG_TENSORS: Final = "{server} refuses tuft's picture for {model} ({detail}): publish the model again."
_FAILED: Final = "{model} failed on {server} ({detail}): look at the server's log."


@dataclass(frozen=True)
class Rule:
    """One row: a failure with `status` (None: any) whose message matches `pattern` becomes `error`.

    Attributes:
        status: Name of a `grpc.StatusCode`.
        pattern: Regular expression searched in the message, ignoring case; None matches every message.
        error: The class to raise.
        sentence: The message; filled with `server`, `model`, `named` (the model with its version, if one was asked
            for), `timeout_s` and `detail`.
        transient: Whether the same request is likely to succeed a moment later. Sending it again is safe: an inference
            changes nothing on the server.
    """

    status: str | None
    pattern: str | None
    error: type[ServerError]
    sentence: str
    transient: bool = False

    def matches(self, status: str, message: str) -> bool:
        """Whether this row applies to a failure with this status and message."""
        if self.status not in (None, status):
            return False
        return self.pattern is None or re.search(self.pattern, message, re.IGNORECASE) is not None


# The first matching row decides.
RULES: Final[tuple[Rule, ...]] = (
    Rule(None, _OUT_OF_MEMORY, ServerOutOfMemoryError, _NO_MEMORY),
    Rule(None, r"exceeds maximum queue size", ServerBusyError, _QUEUE_FULL),
    Rule(None, r"request timeout expired", ServerBusyError, _QUEUED_TOO_LONG),
    # The model is loading, or another version of it is.
    Rule("UNAVAILABLE", _NOT_SERVED, ModelUnavailableError, _NO_MODEL, transient=True),
    Rule(None, _NOT_SERVED, ModelUnavailableError, _NO_MODEL),
    Rule(None, _NOT_GRPC, ServerUnreachableError, _HTTP_PORT),
    Rule(None, r"protocol is restricted", ServerUnreachableError, _NO_ENTRY),
    Rule("RESOURCE_EXHAUSTED", r"larger than max", InferenceError, _FAILED),
    Rule("RESOURCE_EXHAUSTED", None, ServerBusyError, _QUEUE_FULL),
    Rule("UNAVAILABLE", _GOING_AWAY, ServerUnreachableError, _ENDED, transient=True),
    Rule("UNAVAILABLE", None, ServerUnreachableError, _NOBODY, transient=True),
    Rule("UNAUTHENTICATED", None, ServerUnreachableError, _NO_ENTRY),
    Rule("PERMISSION_DENIED", None, ServerUnreachableError, _NO_ENTRY),
    Rule("UNIMPLEMENTED", None, ServerUnreachableError, _STRANGER),
    Rule("CANCELLED", None, ServerUnreachableError, _ENDED, transient=True),
    Rule("DEADLINE_EXCEEDED", None, ServerTimeoutError, _TOO_LATE),
    Rule("NOT_FOUND", None, ModelUnavailableError, _NO_MODEL),
    Rule("INVALID_ARGUMENT", None, ContractError, _WRONG_TENSORS),
    Rule("OUT_OF_RANGE", None, ContractError, _WRONG_TENSORS),
    Rule("UNKNOWN", _GOING_AWAY, ServerUnreachableError, _ENDED, transient=True),
    Rule("UNKNOWN", None, InferenceError, _FAILED),
    Rule("INTERNAL", None, InferenceError, _FAILED),
    Rule("ABORTED", None, InferenceError, _FAILED),
    Rule("ALREADY_EXISTS", None, InferenceError, _FAILED),
    Rule("DATA_LOSS", None, InferenceError, _FAILED),
    Rule("FAILED_PRECONDITION", None, InferenceError, _FAILED),
)


def error_from_status(
    status: str, message: str, *, server: str, model: str, timeout_s: float, version: str = ""
) -> ServerError:
    """The error for a failed call.

    Args:
        status: Name of the `grpc.StatusCode`, such as `UNAVAILABLE`.
        message: The message that came with it.
        server: Address of the server.
        model: Name of the model.
        timeout_s: Seconds that were allowed.
        version: The version of the model that was asked for; empty if none was.

    Returns:
        The error to raise; `InferenceError` for a status that is not in the table.
    """
    rule = next((rule for rule in RULES if rule.matches(status, message)), None)
    rule = rule or Rule(None, None, InferenceError, _FAILED)
    detail = _detail(message) or status
    named = f"version {version} of {model}" if version else model
    error = rule.error(
        rule.sentence.format(server=server, model=model, named=named, timeout_s=round(timeout_s, 2), detail=detail)
    )
    error.transient = rule.transient
    return error


def _detail(message: str) -> str:
    """The message's first line, shortened, without Triton's preamble and without a full stop of its own."""
    line = next((line.strip() for line in message.splitlines() if line.strip()), "")
    line = _PREAMBLE.sub("", line)
    shortened = line if len(line) <= MAX_DETAIL_CHARACTERS else line[: MAX_DETAIL_CHARACTERS - 1] + "…"
    return shortened.rstrip(".")
