"""Checkpoints: downloads that survive interruption, and files that are what they claim to be."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tuft_export import checkpoints
from tuft_export.checkpoints import Checkpoint, load_network, load_weights, pull, save_weights, verify
from tuft_export.errors import CheckpointError
from tuft_export.inspyrenet import InSPyReNet

CONTENT = np.random.default_rng(7).integers(0, 256, 300_000, dtype=np.uint8).tobytes()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; the first `cut` requests break off half-way."""

    cut = 0
    ranges: list[str | None]

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        body = CONTENT[start:]
        if type(self).cut:
            type(self).cut -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[Handler]]]:
    handler = type("OwnHandler", (Handler,), {"cut": 0, "ranges": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/weights.pth", handler
        httpd.shutdown()
        thread.join()


@pytest.fixture
def row(server: tuple[str, type[Handler]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    md5 = hashlib.md5(CONTENT).hexdigest()
    return Checkpoint("test", "weights.pth", server[0], md5, None, len(CONTENT), None, "none")


def test_a_download_is_verified_and_not_repeated(row: Checkpoint, server: tuple[str, type[Handler]]) -> None:
    assert pull(row, progress=False).read_bytes() == CONTENT
    assert pull(row, progress=False) == row.path
    assert len(server[1].ranges) == 1
    assert verify(row) == hashlib.sha256(CONTENT).hexdigest()


def test_a_broken_connection_is_resumed(row: Checkpoint, server: tuple[str, type[Handler]]) -> None:
    server[1].cut = 1
    with pytest.raises(CheckpointError, match="run the same command again"):
        pull(row, progress=False)
    assert not row.path.exists()
    assert pull(row, progress=False).read_bytes() == CONTENT
    assert server[1].ranges == [None, f"bytes={len(CONTENT) // 2}-"]


def test_an_overlong_partial_file_is_started_anew(row: Checkpoint) -> None:
    row.path.parent.mkdir(parents=True)
    row.path.with_name("weights.pth.partial").write_bytes(CONTENT + b"more")
    assert pull(row, progress=False).read_bytes() == CONTENT


def test_a_wrong_hash_leaves_nothing_behind(row: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="MD5"):
        pull(replace(row, md5="0" * 32), progress=False)
    assert list(row.path.parent.iterdir()) == []


def test_a_damaged_file_is_found(row: Checkpoint) -> None:
    pull(row, progress=False)
    damaged = bytearray(CONTENT)
    damaged[1000] ^= 1
    row.path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="pull it again"):
        verify(row)


def test_without_a_published_hash_a_later_change_is_found(row: Checkpoint) -> None:
    row = replace(row, md5=None)
    pull(row, progress=False)
    verify(row)
    row.path.write_bytes(CONTENT[::-1])
    with pytest.raises(CheckpointError, match="has changed since"):
        verify(row)


def test_an_unreachable_server_is_one_sentence(row: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="could not be downloaded"):
        pull(replace(row, url="http://127.0.0.1:9/weights.pth"), progress=False)


def test_a_missing_file_names_the_command(row: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="tuft-export weights pull test"):
        verify(row)


def test_the_table_names_the_published_files() -> None:
    assert set(checkpoints.CHECKPOINTS) == {"demo", "base", "fast", "base-nightly"}
    for row in checkpoints.CHECKPOINTS.values():
        assert row.url is None or row.url.endswith("/" + row.file_name)


def test_a_checkpoint_is_saved_in_half_precision_and_loads_strictly(tiny_network: InSPyReNet, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    save_weights(tiny_network, path)
    row = checkpoints.checkpoint_from_name(str(path))
    loaded = load_network(row)
    assert loaded.config == tiny_network.config
    for key, tensor in tiny_network.state_dict().items():
        expected = tensor.half().float() if tensor.is_floating_point() and tensor.dim() > 1 else tensor
        assert torch.equal(loaded.state_dict()[key], expected), key
    assert all(v.dtype in (np.float32, np.int64) for v in load_weights(row).arrays.values())


def test_variances_past_half_precision_survive(tiny_network: InSPyReNet, tmp_path: Path) -> None:
    large = tiny_network.attention0.conv_key[0].bn.running_var
    before = large.clone()
    try:
        large.fill_(1e9)
        save_weights(tiny_network, tmp_path / "large.safetensors")
    finally:
        large.copy_(before)
    loaded = load_network(checkpoints.checkpoint_from_name(str(tmp_path / "large.safetensors")))
    assert torch.equal(loaded.attention0.conv_key[0].bn.running_var, torch.full_like(before, 1e9))


def test_another_networks_weights_are_refused(tiny_network: InSPyReNet, tmp_path: Path) -> None:
    path = tmp_path / "base.pth"
    torch.save(tiny_network.state_dict(), path)

    class Local(Checkpoint):
        @property
        def path(self) -> Path:
            return path

    row = Local("base", "base.pth", None, None, None, None, checkpoints.SWIN_B.with_base_size(96), "none")
    with pytest.raises(CheckpointError, match="another network"):
        load_network(row)
    path.write_bytes(b"no pickle at all")
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        load_network(row)


def test_a_safetensors_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(CheckpointError, match="not a tuft checkpoint"):
        load_weights(checkpoints.checkpoint_from_name(str(path)))
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        checkpoints.checkpoint_from_name("bse")
