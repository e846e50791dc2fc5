"""Why a connection was closed while it was made, which gRPC does not tell: Python's TLS asks once more."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tuft.inference.transport.access import Access

TIMEOUT_S: Final = 2.0

# What is added to gRPC's message, and found there by `tuft.inference.transport.failures`.
SPEAKS_TLS: Final = "the port speaks TLS"
WANTS_CERTIFICATE: Final = "the server asks for a client certificate"
REFUSES_CERTIFICATE: Final = "the server refuses the client certificate"

_CLOSED: Final = "it closes the connection when it has seen the certificate, or none"
_ABOUT_CERTIFICATES: Final = re.compile(r"certificate|unknown ca")

_PROXY_VARIABLES: Final = ("grpc_proxy", "https_proxy", "http_proxy")  # in gRPC's order
_EXCEPTION_VARIABLES: Final = ("no_grpc_proxy", "no_proxy")


def closed_because(server: str, access: Access, *, secure: bool) -> str:
    """Why `server` closes connections while they are made; empty if that cannot be told.

    Args:
        server: Its `host:port`.
        access: The certificates to show.
        secure: Whether the connection was to be encrypted.
    """
    try:
        alert = _alert(server, access)
    except OSError:  # ssl.SSLError is one: what answers does not speak TLS
        return ""
    if not secure:
        return SPEAKS_TLS
    if _ABOUT_CERTIFICATES.search(alert) is None:
        return ""
    return f"{REFUSES_CERTIFICATE if access.client_certificate else WANTS_CERTIFICATE}: {alert}"


def _alert(server: str, access: Access) -> str:
    """With what a TLS server ends the connection after the handshake; empty if it does not.

    Raises:
        OSError: There is no connection, or no handshake.
    """
    host, _, port = server.rpartition(":")
    context = access.context()
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT_S) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=host.strip("[]")) as encrypted:
                # In TLS 1.3 the server judges the client's certificate after the handshake. gRPC servers, which begin
                # to talk if they like it, close the connection without an alert if they do not.
                return "" if encrypted.recv(1) or encrypted.selected_alpn_protocol() is None else _CLOSED
        except ssl.SSLError as exc:
            found = re.search(r"ALERT_(\w+)", exc.reason or "")
            if found is None:
                raise
            return found[1].replace("_", " ").lower()


def _excepts(entry: str, host: str) -> bool:
    """Whether an entry of `no_proxy`, the end of a name or a network, is for `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return bool(entry) and host.lower().endswith(entry.lower())


def proxy_for(host: str) -> str:
    """The proxy that gRPC uses for `host`, and the variable that names it; empty for none."""
    exceptions = next((os.environ[name] for name in _EXCEPTION_VARIABLES if os.environ.get(name)), "")
    if any(_excepts(entry.strip(), host) for entry in exceptions.split(",")):
        return ""
    for variable in _PROXY_VARIABLES:
        if os.environ.get(variable):
            return f"{urlsplit(os.environ[variable]).netloc.rpartition('@')[2]} ({variable})"  # without its password
    return ""
