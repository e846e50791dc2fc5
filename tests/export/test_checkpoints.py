"""Checkpoints: interrupted downloads are resumed, and files are verified."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.reference import reference_network

from tuft_export import checkpoints
from tuft_export.checkpoints import Checkpoint, load_network, load_weights, pull, save_weights, verify
from tuft_export.errors import CheckpointError
from tuft_export.inspyrenet import SWIN_B, InSPyReNet

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
    with pytest.raises(CheckpointError, match="delete it, then run `tuft-export weights pull test`"):
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


@pytest.mark.parametrize(
    ("name", "base_size", "remedy"),
    [
        ("bse", None, "There is no checkpoint 'bse': give demo, base, fast, base-nightly, or the path"),
        ("weights.pt", None, "or the path of a .safetensors or .pth file"),
        ("nowhere.pth", None, "There is no checkpoint at nowhere.pth"),
        ("nowhere.pth", 384, "There is no checkpoint at nowhere.pth"),
        ("nowhere.safetensors", None, "There is no checkpoint at nowhere.safetensors"),
        ("latest.pth", None, "give it with --base-size, 384 or 1024"),
        ("latest.pth", 100, "multiple of 32 pixels, not 100"),
        ("latest.pth", 0, "multiple of 32 pixels, not 0"),
        ("base", 384, "knows its own base size: leave out --base-size"),
        ("x.safetensors", 384, "knows its own base size: leave out --base-size"),
    ],
)
def test_a_name_that_cannot_be_used_is_one_sentence(
    name: str, base_size: int | None, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("latest.pth", "weights.pt", "x.safetensors"):
        (tmp_path / file).touch()
    with pytest.raises(CheckpointError, match=re.escape(remedy)) as failure:
        checkpoints.checkpoint_from_name(name, base_size)
    assert "\n" not in str(failure.value)


def test_a_file_of_ones_own_is_no_checkpoint_of_the_table(tmp_path: Path) -> None:
    """Not even if it is called like one."""
    (tmp_path / "demo.safetensors").touch()
    (tmp_path / "demo.safetensors.sha256").write_text("what sha256sum writes  demo.safetensors")
    row = checkpoints.checkpoint_from_name(str(tmp_path / "demo.safetensors"))
    assert row.name not in checkpoints.CHECKPOINTS
    assert row.path == tmp_path / "demo.safetensors"
    assert verify(row) == hashlib.sha256(b"").hexdigest()


@pytest.mark.slow
def test_a_swin_b_that_somebody_has_trained_is_loaded_by_its_path(swin_b_network: InSPyReNet, tmp_path: Path) -> None:
    """The oracle is the state dict that the reference's own network gives to `torch.save`."""
    state = reference_network(swin_b_network).state_dict()
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "latest.pth")
    row = checkpoints.checkpoint_from_name(str(tmp_path / "latest.pth"), 384)
    loaded = load_network(row)
    assert loaded.config == SWIN_B.with_base_size(384)
    assert not loaded.training
    assert state.keys() == loaded.state_dict().keys()
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, state[key]), key


@pytest.mark.slow
def test_the_published_names_load_weights_of_their_shape(
    swin_b_network: InSPyReNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path))
    torch.save(swin_b_network.state_dict(), tmp_path / "saved.pth")
    for name, base_size in (("base", 1024), ("fast", 384), ("base-nightly", 1024)):
        row = replace(checkpoints.checkpoint_from_name(name), md5=None)  # these weights are random
        row.path.hardlink_to(tmp_path / "saved.pth")
        loaded = load_network(row)
        assert loaded.config.base_size == base_size
        key = "backbone.layers.2.blocks.17.attn.qkv.weight"
        assert torch.equal(loaded.state_dict()[key], swin_b_network.state_dict()[key])
        row.path.unlink()
