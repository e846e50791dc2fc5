"""The address of a Triton server, as users write it."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from tuft.errors import OptionError
from tuft.text import shown, without_password

DEFAULT_GRPC_PORT: Final = 8001

_LOOPBACK_NAMES: Final = ("localhost", "0.0.0.0", "[::]")  # the last two mean this machine, for who connects
_URL: Final = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?P<host>\[[0-9a-f:.]+\]|[^\s/:@\[\]]+)(?::(?P<port>\d{1,5}))?/?",
    re.IGNORECASE,
)


def grpc_target_from_url(url: str) -> tuple[str, bool]:
    """Host and port to connect to, and whether to encrypt.

    Args:
        url: `host`, `host:port`, `grpc://host:port`, or `grpcs://host:port` for TLS; the port is 8001 if not given.

    Raises:
        OptionError: `url` is not an address.
    """
    if not isinstance(url, str):
        raise OptionError(f"{shown(repr(url))} is no server address: give a text such as localhost:8001.")
    match = _URL.fullmatch(url.strip())
    if match is None:
        shown_url = shown(repr(without_password(url)))
        raise OptionError(f"{shown_url} is no server address: write it as host:port, for example localhost:8001.")
    scheme = (match["scheme"] or "grpc").lower()
    if scheme in ("http", "https"):
        example = f"{'grpcs://' if scheme == 'https' else ''}{match['host']}:8001"
        raise OptionError(f"{url!r} is an HTTP address: give the gRPC port, for example {example}.")
    if scheme not in ("grpc", "grpcs"):
        raise OptionError(f"tuft does not speak {scheme}: write the address as host:port or grpc://host:port.")
    port = int(match["port"] or DEFAULT_GRPC_PORT)
    if not 0 < port < 2**16:
        raise OptionError(f"There is no port {port}: Triton's gRPC port is {DEFAULT_GRPC_PORT} by default.")
    return f"{match['host']}:{port}", scheme == "grpcs"


def is_loopback(server: str) -> bool:
    """Whether the `host:port` of a server is one of this machine."""
    host = server.rpartition(":")[0].lower()
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name
        return False
