"""What a gRPC failure means: one table from status and message to tuft's errors.

The status alone cannot tell: Triton sends UNAVAILABLE for a full queue, for a model that is still loading and
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

# CUDA, TensorRT, ONNX Runtime, OpenVINO, OpenCL, C++ and Python each say it in their own words.
_OUT_OF_MEMORY: Final = (
    r"out[ _]?of[ _]?(host[ _]|device[ _])?(memory|resources)|memory ?error|memory ?allocation|bad_?alloc"
    r"|(failed|unable|could not|cannot|not enough memory) to (re)?allocate|allocation fail"
    r"|failed to increase the shared memory pool"
)
_NOT_SERVED: Final = (
    r"unknown model|not at ready state|no available versions|no version is available|model (is )?not (found|ready)"
    r"|model '[^']*' is not (found|ready)"
)


@dataclass(frozen=True)
class Rule:
    """One row: failures with `status` (None: any) whose message matches `pattern` become `error`.

    Attributes:
        status: Name of a `grpc.StatusCode`.
        pattern: Regular expression searched in the message, ignoring case; None matches every message.
        error: The class that says it.
        sentence: What the user reads; filled with `server`, `model`, `timeout_s` and `detail`.
    """

    status: str | None
    pattern: str | None
    error: type[ServerError]
    sentence: str

    def matches(self, status: str, message: str) -> bool:
        """Whether this row speaks about a failure with this status and message."""
        if self.status not in (None, status):
            return False
        return self.pattern is None or re.search(self.pattern, message, re.IGNORECASE) is not None


_MEMORY_SENTENCE = "The server at {server} has not enough memory for {model}: take a smaller preset or size."
_QUEUE_SENTENCE = "The server at {server} is busy, its queue for {model} is full: try again later."
_EXPIRED_SENTENCE = "The server at {server} is busy, the request waited too long for {model}: try again later."
_MODEL_SENTENCE = (
    "The server at {server} does not serve {model} ({detail}): publish it, or take a preset that `tuft doctor` lists."
)
_HTTP_SENTENCE = "The port at {server} speaks HTTP: give the server's gRPC port, which is 8001 unless changed."
_REFUSED_SENTENCE = "Nothing answers at {server}: start a server with `tuft serve`, or give its address as url or TUFT_URL."
_ENTRY_SENTENCE = "The server at {server} does not let this client in ({detail}): ask who runs it for access."
_FOREIGN_SENTENCE = "What answers at {server} is no model server that tuft knows ({detail}): check the address."
_ENDED_SENTENCE = "The connection to {server} ended before the answer came ({detail}): try again."
_TIMEOUT_SENTENCE = (
    "No answer about {model} came from {server} within {timeout_s:g} s: allow more time, or take a smaller preset."
)
_CONTRACT_SENTENCE = (
    "The server at {server} refuses tuft's tensors for {model} ({detail}): publish the model again with this version."
)
_INFERENCE_SENTENCE = "The model {model} failed on {server} ({detail}): look at the server's log."

# The first row that matches decides.
RULES: Final[tuple[Rule, ...]] = (
    Rule(None, _OUT_OF_MEMORY, ServerOutOfMemoryError, _MEMORY_SENTENCE),
    Rule(None, r"exceeds maximum queue size", ServerBusyError, _QUEUE_SENTENCE),
    Rule(None, r"request timeout expired", ServerBusyError, _EXPIRED_SENTENCE),
    Rule(None, _NOT_SERVED, ModelUnavailableError, _MODEL_SENTENCE),
    Rule(None, r"http1\.x server", ServerUnreachableError, _HTTP_SENTENCE),
    Rule(None, r"protocol is restricted", ServerUnreachableError, _ENTRY_SENTENCE),
    Rule("RESOURCE_EXHAUSTED", r"larger than max", InferenceError, _INFERENCE_SENTENCE),
    Rule("RESOURCE_EXHAUSTED", None, ServerBusyError, _QUEUE_SENTENCE),
    Rule("UNAVAILABLE", None, ServerUnreachableError, _REFUSED_SENTENCE),
    Rule("UNAUTHENTICATED", None, ServerUnreachableError, _ENTRY_SENTENCE),
    Rule("PERMISSION_DENIED", None, ServerUnreachableError, _ENTRY_SENTENCE),
    Rule("UNIMPLEMENTED", None, ServerUnreachableError, _FOREIGN_SENTENCE),
    Rule("CANCELLED", None, ServerUnreachableError, _ENDED_SENTENCE),
    Rule("DEADLINE_EXCEEDED", None, ServerTimeoutError, _TIMEOUT_SENTENCE),
    Rule("NOT_FOUND", None, ModelUnavailableError, _MODEL_SENTENCE),
    Rule("INVALID_ARGUMENT", None, ContractError, _CONTRACT_SENTENCE),
    Rule("OUT_OF_RANGE", None, ContractError, _CONTRACT_SENTENCE),
    Rule("INTERNAL", None, InferenceError, _INFERENCE_SENTENCE),
    Rule("UNKNOWN", None, InferenceError, _INFERENCE_SENTENCE),
    Rule("ABORTED", None, InferenceError, _INFERENCE_SENTENCE),
    Rule("ALREADY_EXISTS", None, InferenceError, _INFERENCE_SENTENCE),
    Rule("DATA_LOSS", None, InferenceError, _INFERENCE_SENTENCE),
    Rule("FAILED_PRECONDITION", None, InferenceError, _INFERENCE_SENTENCE),
)


def error_from_status(status: str, message: str, *, server: str, model: str, timeout_s: float) -> ServerError:
    """The error that stands for a failed call.

    Args:
        status: Name of the `grpc.StatusCode`, such as `UNAVAILABLE`.
        message: What came with it.
        server: Address that was asked.
        model: Model that was asked for.
        timeout_s: Seconds that were allowed.

    Returns:
        An error to raise; `InferenceError` for a status that the table does not know.
    """
    rule = next((rule for rule in RULES if rule.matches(status, message)), None)
    error, sentence = (rule.error, rule.sentence) if rule else (InferenceError, _INFERENCE_SENTENCE)
    facts = {"server": server, "model": model, "timeout_s": timeout_s, "detail": _first_line(message) or status}
    return error(sentence.format(**facts))


def _first_line(message: str) -> str:
    """The message's first line of text, shortened, without a full stop of its own."""
    line = next((line.strip() for line in message.splitlines() if line.strip()), "")
    shortened = line if len(line) <= MAX_DETAIL_CHARACTERS else line[: MAX_DETAIL_CHARACTERS - 1] + "…"
    return shortened.rstrip(".")
