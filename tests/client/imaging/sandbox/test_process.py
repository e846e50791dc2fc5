"""A decoding process that does not start or gives invalid answers."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest
from support.decoding import descriptors, workers

from tuft.errors import SetupError, TruncatedImageError
from tuft.imaging.sandbox import process

if TYPE_CHECKING:
    from pathlib import Path

    from tuft.imaging import IsolatedDecoder

pytestmark = pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="needs Unix sockets")


@pytest.mark.parametrize(
    "answer",
    [
        b"\n",
        b"nonsense\n",
        b"[]\n",
        b"{}\n",
        b'{"last": false, "size_hw": [100000, 100000], "has_alpha": false}\n',
        b'{"last": false, "size_hw": [0, 5], "has_alpha": false}\n',
        b'{"last": false, "size_hw": [-3, -3], "has_alpha": false}\n',
        b'{"last": false, "size_hw": [1, 1]}\n',
        b'{"last": false, "error": "SystemExit", "message": ""}\n',
        b'{"last": false, "size_hw": [Infinity, 1], "has_alpha": false}\n',
        b"[" * 60_000 + b"\n",
        b"x" * 100_000,
    ],
)
def test_a_worker_taken_over_can_say_nothing_but_pixels_and_errors(
    answer: bytes, png: bytes, decoder: IsolatedDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder(png)
    monkeypatch.setattr(process.DecodingProcess, "_line", lambda *_: answer)
    with pytest.raises(TruncatedImageError, match="nothing sensible"):
        decoder(png)
    assert workers() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux seals shared memory")
def test_a_worker_taken_over_cannot_take_the_pixels_away() -> None:
    with process._shared_memory(1000) as pixels:
        for size in (10, 10_000):
            with pytest.raises(PermissionError):
                os.ftruncate(pixels.fileno(), size)


def test_a_worker_that_does_not_start_is_a_setup_error(
    png: bytes, tmp_path: Path, decoder: IsolatedDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = descriptors()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [str(tmp_path)])
        patch.setattr(process, "worker_environment", lambda: {"PYTHONPATH": str(tmp_path), "PYTHONHOME": str(tmp_path)})
        with pytest.raises(SetupError, match="does not start"):
            decoder(png)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "no-python"))
        with pytest.raises(SetupError, match="No such file"):
            decoder(png)
    assert descriptors() == before
    assert decoder(png).size_hw == (40, 48)


def test_without_shared_memory_it_says_so(
    png: bytes, decoder: IsolatedDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder(png)

    def refuse() -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(process, "_anonymous_file", refuse)
        with pytest.raises(SetupError, match="No space left"):
            decoder(png)
    assert decoder(png).size_hw == (40, 48)


def test_a_worker_that_says_nothing_at_its_start_is_a_setup_error(
    png: bytes, decoder: IsolatedDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_START_TIMEOUT_S", 0.01)
    with pytest.raises(SetupError, match=r"nothing for 0\.01 s"):
        decoder(png)
    assert workers() == []
