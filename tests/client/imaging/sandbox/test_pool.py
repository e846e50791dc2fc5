"""Sandboxed decoding: the same results, and failures of a worker affect nothing else."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from PIL import Image
from support import bombs
from support.decoding import descriptors, workers
from support.picture_files import file_of, files_of_every_kind, more_files

from tuft.errors import ImageTooLargeError, OptionError, SetupError, TruncatedImageError, TuftError
from tuft.imaging import IsolatedDecoder, load_photo

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="needs Unix sockets")


@pytest.fixture(scope="module")
def endless() -> bytes:
    """A file that passes the structure check and takes at least a second to decode."""
    return bombs.scan_bomb(5000, 80)


# --- equal results


def test_every_kind_comes_out_as_it_does_here(picture: NDArray[np.uint8], decoder: IsolatedDecoder) -> None:
    for kind, file in {**files_of_every_kind(picture), **more_files(picture)}.items():
        here, apart = load_photo(file), decoder(file)
        np.testing.assert_array_equal(apart.rgb, here.rgb, kind)
        assert apart.rgb.flags.c_contiguous
        assert apart.rgb.flags.writeable
        assert (apart.alpha is None) == (here.alpha is None)
        if apart.alpha is not None:
            np.testing.assert_array_equal(apart.alpha, here.alpha)


def test_every_source(picture: NDArray[np.uint8], png: bytes, tmp_path: Path, decoder: IsolatedDecoder) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(png)
    with path.open("rb") as file:
        sources: list[Any] = [path, str(path), png, bytearray(png), memoryview(png), io.BytesIO(png), file]
        for source in [*sources, Image.open(path), picture]:
            np.testing.assert_array_equal(decoder(source).rgb, picture)


def test_a_photograph_is_not_changed_by_the_next(picture: NDArray[np.uint8], decoder: IsolatedDecoder) -> None:
    first = decoder(file_of(Image.fromarray(picture), "PNG"))
    decoder(file_of(Image.fromarray(255 - picture), "PNG"))
    np.testing.assert_array_equal(first.rgb, picture)


def test_errors_are_those_of_here(png: bytes, tmp_path: Path, decoder: IsolatedDecoder) -> None:
    missing, cut = tmp_path / "missing.png", tmp_path / "cut.png"
    cut.write_bytes(png[:2000])
    cases: list[tuple[Any, dict[str, Any]]] = [
        (missing, {}),
        (tmp_path, {}),
        (cut, {}),
        (b"", {}),
        (b"no picture at all", {}),
        (7, {}),
        (png, {"max_pixels": 100}),
        (png, {"max_bytes": 100}),
        (png, {"formats": ["jpeg", "webp"]}),
        (png, {"formats": ["eps"]}),
    ]
    for source, limits in cases:
        with pytest.raises(TuftError) as here:
            load_photo(source, **limits)
        with pytest.raises(TuftError) as apart:
            decoder(source, **limits)
        assert (type(apart.value), str(apart.value)) == (type(here.value), str(here.value))


# --- workers are killed and replaced


def test_what_takes_too_long_is_killed_and_the_next_served(endless: bytes, png: bytes) -> None:
    with IsolatedDecoder(workers=1, timeout_s=0.3) as decoder:
        with pytest.raises(ImageTooLargeError, match=r"more than the 0\.3 s allowed"):
            decoder(endless)
        assert workers() == []
    with IsolatedDecoder(workers=1, timeout_s=60) as decoder:
        assert decoder(png).size_hw == (40, 48)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory")
def test_what_takes_too_much_memory_is_refused_and_the_next_served(png: bytes) -> None:
    large = file_of(Image.new("RGB", (6000, 6000)), "PNG")
    with IsolatedDecoder(workers=1, memory_bytes=100_000_000) as decoder:
        with pytest.raises(ImageTooLargeError, match="than the memory_bytes of 100000000 allowed"):
            decoder(large)
        assert decoder(png).size_hw == (40, 48)
    with IsolatedDecoder(workers=1) as decoder:
        assert decoder(large).size_hw == (6000, 6000)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (signal.SIGSEGV, TruncatedImageError, r"its decoder crashes \(SIGSEGV\)"),
        (signal.SIGKILL, ImageTooLargeError, "more memory to decode than there is"),
    ],
)
def test_a_crash_is_the_photographs_and_nobody_elses(
    number: signal.Signals, kind: type[TuftError], words: str, endless: bytes, png: bytes, decoder: IsolatedDecoder
) -> None:
    decoder(png)
    (worker,) = workers()
    before_s = sum(worker.cpu_times()[:2])

    def strike() -> None:
        while sum(worker.cpu_times()[:2]) < before_s + 0.1:  # until it is decoding
            time.sleep(0.01)
        worker.send_signal(number)

    thread = threading.Thread(target=strike)
    thread.start()
    with pytest.raises(kind, match=words):
        decoder(endless)
    thread.join()
    assert decoder(png).size_hw == (40, 48)
    assert [found.pid for found in workers()] != [worker.pid]


def test_a_worker_that_died_while_idle_is_replaced(png: bytes, decoder: IsolatedDecoder) -> None:
    decoder(png)
    (worker,) = workers()
    worker.kill()
    psutil.wait_procs([worker], timeout=10)
    assert decoder(png).size_hw == (40, 48)


# --- nothing is left behind


def test_closing_leaves_neither_processes_nor_descriptors(png: bytes, endless: bytes) -> None:
    before = descriptors()
    decoder = IsolatedDecoder(workers=2, timeout_s=1)
    with ThreadPoolExecutor(2) as pool:
        sizes = list(pool.map(lambda _: decoder(png).size_hw, range(20)))
    assert sizes == [(40, 48)] * 20
    assert 1 <= len(workers()) <= 2
    with pytest.raises(ImageTooLargeError):
        decoder(endless)
    decoder.close()
    decoder.close()
    assert workers() == []
    assert descriptors() == before
    with pytest.raises(SetupError, match="closed"):
        decoder(png)


def test_a_worker_ends_with_its_parent(png: bytes, decoder: IsolatedDecoder) -> None:
    decoder(png)
    (worker,) = workers()
    decoder._idle[0]._socket.close()  # as when the process is killed
    gone, _ = psutil.wait_procs([worker], timeout=10)
    assert gone == [worker]


def test_a_worker_sees_no_secrets_and_can_write_no_file(
    png: bytes, decoder: IsolatedDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET", "hunter2")
    decoder(png)
    (worker,) = workers()
    assert "hunter2" not in worker.environ().values()
    assert worker.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert worker.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert worker.rlimit(psutil.RLIMIT_AS)[1] < 4 * 2**30
    assert 0 < worker.rlimit(psutil.RLIMIT_CPU)[0] < 30 * (os.cpu_count() or 1) + 60


# --- options


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 0},
        {"timeout_s": 0.0},
        {"timeout_s": float("nan")},
        {"memory_bytes": 0},
        {"workers": "2"},
        {"timeout_s": "5"},
    ],
)
def test_numbers_out_of_range_are_option_errors(options: Any) -> None:
    with pytest.raises(OptionError, match="above 0"):
        IsolatedDecoder(**options)


def test_without_unix_sockets_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "send_fds")
    with pytest.raises(SetupError, match="isolate_decoding off"):
        IsolatedDecoder()
