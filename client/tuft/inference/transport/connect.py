"""The transport to an address: a server's, or the name of one that computes without a server."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Final

from tuft.errors import ServerError, SetupError
from tuft.inference.transport.address import grpc_target_from_url
from tuft.inference.transport.triton import TritonTransport
from tuft.plugins import TRANSPORTS, plugin

if TYPE_CHECKING:
    from tuft.inference.transport.access import Access
    from tuft.inference.transport.base import Transport

LOCAL: Final = "local"

_CONNECT_TIMEOUT_S: Final = 1.0

# `name` or `name:anything`, but not `host:port` and not a URL.
_NAMED: Final = re.compile(r"(?P<name>[a-z][a-z0-9_-]*)(?::(?!\d+/?$|//)(?P<rest>.+))?", re.DOTALL)


def connect(url: str, access: Access | None = None) -> Transport:
    """The transport to an address; making it never waits.

    Args:
        url: The address of a server, as `grpc_target_from_url` takes it; `local`, which computes in this process; or
            `local:FOLDER`, which computes the models of that model repository. A host that is called like that is
            written `grpc://local`.
        access: Certificates, token and headers for a server.

    Raises:
        OptionError: It is not an address, or `access` does not fit it.
        SetupError: What is needed for it is not installed.
    """
    name = transport_name(url)
    make = None if name is None else plugin(TRANSPORTS, name)
    if make is None:
        return TritonTransport(url, access=access)
    transport: Transport = make(url.strip().partition(":")[2])
    return transport


def transport_name(url: str) -> str | None:
    """The name of the registered transport that an address means; None for the address of a server."""
    match = _NAMED.fullmatch(url.strip())
    if match is None or match["name"] == "localhost":
        return None
    return match["name"] if plugin(TRANSPORTS, match["name"]) is not None else None


def answers(url: str, access: Access | None = None) -> bool:
    """Whether a server answers at an address; told in a moment where nothing listens, which needs no gRPC."""
    host, _, port = grpc_target_from_url(url)[0].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT_S).close()
        transport = TritonTransport(url, access=access)
    except (OSError, SetupError):
        return False
    try:
        transport.server_info()
    except ServerError:
        return False
    finally:
        transport.close()
    return True
