"""A real S3 server on the loopback interface, and batches on photographs whose cut-outs are known."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image

SIDE = 64
BROKEN = b"This is no photograph."


@contextmanager
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs moto's server, points every client of S3 at it, and yields a file system of its own."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key"}
    environment |= {"AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        yield fsspec.filesystem("s3", use_listings_cache=False)
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        server.stop()


def photograph(number: int = 0) -> Image.Image:
    """A bright square on black, which the network of `support.tiny` finds; its place depends on the number."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    left = 8 + number % 24
    pixels[16:48, left : left + 24] = 250
    return Image.fromarray(pixels)


def photographs(folder: Path, count: int, *, broken: tuple[int, ...] = ()) -> list[str]:
    """Makes files `000/p0000.png`, ... in folders of ten, and returns their keys."""
    keys = []
    for number in range(count):
        key = f"{number // 10:03}/p{number:04}.png"
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        if number in broken:
            file.write_bytes(BROKEN)
        else:
            photograph(number).save(file)
        keys.append(key)
    return keys


def table(output: Path) -> list[dict[str, Any]]:
    """The rows of a results table."""
    import pyarrow.parquet

    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(output / "results.parquet").to_pylist()
    return rows
