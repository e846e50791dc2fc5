"""Addresses of servers, and what is no address."""

from __future__ import annotations

import pytest

from tuft.errors import OptionError
from tuft.inference.transport.address import grpc_target_from_url
from tuft.inference.transport.triton import TritonTransport


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("localhost:8001", ("localhost:8001", False)),
        ("localhost", ("localhost:8001", False)),
        ("grpc://gpu.example.org:9001/", ("gpu.example.org:9001", False)),
        ("GRPCS://gpu.example.org", ("gpu.example.org:8001", True)),
        ("[::1]:8001", ("[::1]:8001", False)),
        (" 10.0.0.3:8001 ", ("10.0.0.3:8001", False)),
    ],
)
def test_addresses(url: str, target: tuple[str, bool]) -> None:
    assert grpc_target_from_url(url) == target


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://localhost:8000", "gRPC port, for example localhost:8001"),
        ("https://gpu.example.org", "gRPC port, for example grpcs://gpu.example.org:8001"),
        ("grpcs://me:secret@gpu:8001", "'grpcs://gpu:8001' is no server address"),
        ("me:secret@gpu:8001", "'gpu:8001' is no server address"),
        ("ftp://localhost", "does not speak ftp"),
        ("localhost:0", "no port 0"),
        ("localhost:99999", "no port 99999"),
        ("localhost:8001/v2", "no server address"),
        ("local host", "no server address"),
        ("user@localhost", "no server address"),
        ("", "no server address"),
        (":8001", "no server address"),
    ],
)
def test_what_is_no_address(url: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        TritonTransport(url)
