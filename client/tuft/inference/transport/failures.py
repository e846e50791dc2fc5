"""Maps gRPC failures to tuft's errors: one table of status and message.

The status alone is ambiguous: Triton sends UNAVAILABLE for a full queue, for a model that is still loading and
for a server that is going away, and gRPC sends it when nothing listens (measured with Triton 2.51).
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
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
from tuft.inference.transport import probe

MAX_DETAIL_CHARACTERS: Final = 200
_PREAMBLE: Final = re.compile(
    r"^(\[request id: [^\]]*\] )?(Failed to process the request\(s\) for model .*?, message: )?"
)
# What precedes the cause, as in "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: ...".
_CONNECTING_PREAMBLE: Final = re.compile(
    r"^failed to connect to all addresses; last error: \w+: (ipv[46]|unix):\S*: (Tls handshake failed \(\w+\): )?"
    r"(SSL_ERROR_SSL: error:\w+:SSL routines:OPENSSL_internal:)?"
)
# As in "errors resolving gpu:1: [field:hostname lookup error:address lookup failed for gpu:1: Domain name not found]".
_RESOLVING_PREAMBLE: Final = re.compile(r"^errors resolving .*address lookup failed for \S+: (.*)\]$")

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
_CONNECTING: Final = r"failed to connect to all addresses"
_CLOSED: Final = rf"{_CONNECTING}.*(socket closed|unwrap failed)"  # the latter by an alert after the handshake
# What a proxy does not get to: it, or the server behind it.
_NOT_REACHED: Final = (
    rf"errors resolving|DNS resolution failed|HTTP proxy|{_CONNECTING}(?!.*(handshak|verification|HTTP/2))"
)
# A gRPC client on an HTTP port: some servers say so, Triton closes the connection.
_NOT_GRPC: Final = rf"http1\.x server|failed parsing HTTP/2|{_CLOSED}"
# The wordings of c-ares, and of the system's resolver.
_NO_SUCH_NAME: Final = r"domain name not found|name or service not known|nodename nor servname|dns.*no data"
_RESOLVING: Final = r"errors resolving|DNS resolution failed"
_GOING_AWAY: Final = r"server is stopping|socket closed|connection reset|broken pipe|goaway|stream removed"

_NO_MEMORY: Final = "{server} has not enough memory for {model}: take a smaller preset or size."
_QUEUE_FULL: Final = "{server} is busy, its queue for {model} is full: try again later."
_QUEUED_TOO_LONG: Final = "{server} is busy, the request for {model} waited too long: try again later."
_NO_MODEL: Final = "{server} does not serve {named}, or not yet ({detail}): `tuft doctor` lists what it serves by now."
_HTTP_PORT: Final = "{server} does not speak gRPC: give the server's gRPC port, 8001 unless it was changed."
_NO_ENTRY: Final = "{server} does not let this client in ({detail}): ask its operator for access."
_NO_TOKEN: Final = "{server} does not accept this client ({detail}): check token (TUFT_TOKEN) and headers."
_REFUSED: Final = (
    "Nothing answers at {server}: start it with `tuft serve`, give another address (TUFT_URL), or "
    "local to compute without a server."
)
_AWAY: Final = "{server} cannot be reached ({detail}): check that it runs, and the network and firewalls on the way."
_PROXY: Final = (
    "{server} is not reached through the proxy {proxy} ({detail}): correct that variable, or add the host to no_proxy."
)
_NO_HOST: Final = "There is no host of the name in {server} ({detail}): check the address (TUFT_URL)."
_UNRESOLVED: Final = "The name in {server} cannot be resolved now ({detail}): check the network, or try again."
_UNTRUSTED: Final = (
    "The certificate of {server} is not signed by {root_certificates} ({detail}): give the certificate of its "
    "authority as root_certificates (TUFT_ROOT_CERTIFICATES)."
)
_EXPIRED: Final = "The certificate of {server} is out of date ({detail}): renew it, or set this machine's clock."
_OTHER_NAME: Final = "The certificate of {server} is for another name: use the name that it was made for."
_NO_TLS: Final = "{server} does not speak TLS: write grpc:// for a connection without it, or give its TLS port."
_TLS: Final = "{server} speaks TLS: write grpcs://{server}."
_WANTS_CERTIFICATE: Final = (
    "{server} asks for a client certificate ({detail}): give client_certificate and client_key "
    "(TUFT_CLIENT_CERTIFICATE, TUFT_CLIENT_KEY)."
)
_REFUSES_CERTIFICATE: Final = (
    "{server} does not accept the client certificate {client_certificate} ({detail}): give one that its authority "
    "has signed."
)
_HANDSHAKE: Final = "The TLS handshake with {server} failed ({detail}): check that its port is for TLS and gRPC."
_STRANGER: Final = "{server} is no model server that tuft knows ({detail}): check the address and http_proxy."
_ENDED: Final = "The connection to {server} ended before the answer came ({detail}): try again."
_TOO_LATE: Final = (
    "No answer about {model} came from {server} within {timeout_s:g} s: allow more time or take a smaller preset."
)
_WRONG_TENSORS: Final = "{server} refuses tuft's picture for {model} ({detail}): publish the model again."
_FAILED: Final = "{model} failed on {server} ({detail}): look at the server's log."


@dataclass(frozen=True)
class Connection:
    """How a server is reached.

    Attributes:
        server: Its address.
        secure: Whether with TLS.
        proxy: The proxy on the way, and the variable that names it; empty for none.
        root_certificates: File of the authorities that are trusted; empty for the public ones.
        client_certificate: File of the certificate that is shown; empty for none.
    """

    server: str
    secure: bool = False
    proxy: str = ""
    root_certificates: str = ""
    client_certificate: str = ""


@dataclass(frozen=True)
class Rule:
    """One row: a failure with `status` (None: any) whose message matches `pattern` becomes `error`.

    Attributes:
        status: Name of a `grpc.StatusCode`.
        pattern: Regular expression searched in the message, ignoring case; None matches every message.
        error: The class to raise.
        sentence: The message; filled with `server`, `model`, `named` (the model with its version, if one was asked
            for), `timeout_s`, `detail`, and the other attributes of `Connection`.
        transient: Whether the same request is likely to succeed a moment later. Sending it again is safe: an inference
            changes nothing on the server.
        secure: Whether the row is for connections with TLS only.
        proxied: Whether the row is for connections through a proxy only.
    """

    status: str | None
    pattern: str | None
    error: type[ServerError]
    sentence: str
    transient: bool = False
    secure: bool = False
    proxied: bool = False

    def matches(self, status: str, message: str, connection: Connection) -> bool:
        """Whether this row applies to a failure with this status and message."""
        if self.status not in (None, status):
            return False
        if (self.secure and not connection.secure) or (self.proxied and not connection.proxy):
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
    Rule(None, probe.SPEAKS_TLS, ServerUnreachableError, _TLS),
    Rule(None, probe.WANTS_CERTIFICATE, ServerUnreachableError, _WANTS_CERTIFICATE),
    Rule(None, probe.REFUSES_CERTIFICATE, ServerUnreachableError, _REFUSES_CERTIFICATE),
    Rule("UNAVAILABLE", r"certificate has expired|certificate is not yet valid", ServerUnreachableError, _EXPIRED),
    Rule("UNAVAILABLE", r"certificate_verify_failed", ServerUnreachableError, _UNTRUSTED),
    Rule("UNAVAILABLE", r"hostname verification", ServerUnreachableError, _OTHER_NAME),
    Rule("UNAVAILABLE", r"wrong_version_number|http_request", ServerUnreachableError, _NO_TLS),
    Rule("UNAVAILABLE", r"handshak", ServerUnreachableError, _HANDSHAKE),
    Rule(None, _CLOSED, ServerUnreachableError, _HANDSHAKE, secure=True),
    Rule("UNAVAILABLE", _NOT_REACHED, ServerUnreachableError, _PROXY, proxied=True),
    Rule(None, _NOT_GRPC, ServerUnreachableError, _HTTP_PORT),
    Rule(None, r"protocol is restricted", ServerUnreachableError, _NO_ENTRY),
    Rule("RESOURCE_EXHAUSTED", r"larger than max", InferenceError, _FAILED),
    Rule("RESOURCE_EXHAUSTED", None, ServerBusyError, _QUEUE_FULL),
    Rule("UNAVAILABLE", _GOING_AWAY, ServerUnreachableError, _ENDED, transient=True),
    Rule("UNAVAILABLE", _NO_SUCH_NAME, ServerUnreachableError, _NO_HOST),
    Rule("UNAVAILABLE", _RESOLVING, ServerUnreachableError, _UNRESOLVED, transient=True),
    Rule("UNAVAILABLE", r"connection refused", ServerUnreachableError, _REFUSED, transient=True),
    Rule("UNAVAILABLE", None, ServerUnreachableError, _AWAY, transient=True),
    Rule("UNAUTHENTICATED", None, ServerUnreachableError, _NO_TOKEN),
    Rule("PERMISSION_DENIED", None, ServerUnreachableError, _NO_TOKEN),
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
    status: str, message: str, *, connection: Connection, model: str, timeout_s: float, version: str = ""
) -> ServerError:
    """The error for a failed call.

    Args:
        status: Name of the `grpc.StatusCode`, such as `UNAVAILABLE`.
        message: The message that came with it.
        connection: The way to the server.
        model: Name of the model.
        timeout_s: Seconds that were allowed.
        version: The version of the model that was asked for; empty if none was.

    Returns:
        The error to raise; `InferenceError` for a status that is not in the table.
    """
    rule = next((rule for rule in RULES if rule.matches(status, message, connection)), None)
    rule = rule or Rule(None, None, InferenceError, _FAILED)
    detail = _detail(message) or status
    named = f"version {version} of {model}" if version else model
    known = {
        **asdict(connection),
        "root_certificates": f"one of {connection.root_certificates}"
        if connection.root_certificates
        else "a public authority",
    }
    error = rule.error(
        rule.sentence.format(**known, model=model, named=named, timeout_s=round(timeout_s, 2), detail=detail)
    )
    error.transient = rule.transient
    return error


def closed_while_connecting(message: str) -> bool:
    """Whether gRPC's message says no more than that the other side closed the connection while it was made."""
    return re.search(_CLOSED, message, re.IGNORECASE) is not None


def _detail(message: str) -> str:
    """The message's first line, shortened, without preambles of gRPC and Triton, and without a full stop of its own."""
    line = next((line.strip() for line in message.splitlines() if line.strip()), "")
    line = line.removeprefix(f"{probe.WANTS_CERTIFICATE}: ").removeprefix(f"{probe.REFUSES_CERTIFICATE}: ")
    line = _RESOLVING_PREAMBLE.sub(r"\1", line)
    line = _CONNECTING_PREAMBLE.sub("", _PREAMBLE.sub("", line)).removesuffix(": OK")
    shortened = line if len(line) <= MAX_DETAIL_CHARACTERS else line[: MAX_DETAIL_CHARACTERS - 1] + "…"
    return shortened.rstrip(".")
