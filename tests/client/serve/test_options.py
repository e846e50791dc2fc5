from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tuft.errors import OptionError
from tuft.serve import ServeOptions, ServerAddresses

HERE = Path()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "torch"}, "There is no runtime 'torch': choose one of tensorrt, onnxruntime, openvino, python."),
        ({"sizes": (384, 512)}, "There is no working size 512: choose from 384, 1024, 1536, 2048."),
        ({"grpc_port": 65536}, "There is no port 65536: choose one from 0 (any free one) to 65535."),
        ({"http_port": -1}, "There is no port -1: choose one from 0 (any free one) to 65535."),
        ({"digest": "05c9"}, "There is no digest '05c9': give the 64 hexadecimal digits that `tuft-export verify`"),
        ({"host": "example.org"}, "cannot listen on 'example.org': give an IPv4 address such as 127.0.0.1."),
        ({"host": "::1"}, "cannot listen on '::1': give an IPv4 address"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as failure:
        ServeOptions(HERE, **options)
    assert message in str(failure.value)


def test_localhost_is_written_out_for_a_server_that_resolves_no_names() -> None:
    assert str(ServeOptions(HERE, host="localhost").address) == "127.0.0.1"


def test_addresses_are_what_clients_take() -> None:
    addresses = ServerAddresses("127.0.0.1", 1, 2, 3)
    assert (addresses.http, addresses.grpc) == ("127.0.0.1:1", "127.0.0.1:2")
    assert addresses.metrics == "http://127.0.0.1:3/metrics"


def test_a_server_that_listens_everywhere_is_reached_over_loopback() -> None:
    assert ServerAddresses("0.0.0.0", 1, 2, 3).grpc == "127.0.0.1:2"
