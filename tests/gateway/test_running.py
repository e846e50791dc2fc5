"""`tuft gateway` as a program: it serves, stops on a signal, and says what is missing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from support.server import DemoServer

from tuft import Client
from tuft.cli.main import main
from tuft.imaging import encode


@contextmanager
def gateway(*arguments: str, home: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address that the running program printed, and its process."""
    command = [sys.executable, "-m", "tuft", "gateway", "--port", "0", *arguments]
    environment = {**os.environ, "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+:\d+", line)
        assert found, line + process.communicate(timeout=60)[1]
        yield found[0], process
    finally:
        process.kill()
        process.communicate()


def test_it_stops_on_a_signal_with_code_zero(closed_port: int, tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with gateway("--url", f"localhost:{closed_port}", home=tmp_path) as (url, process):
            assert httpx.get(f"{url}/health").json() == {"status": "ok"}
            assert httpx.get(f"{url}/ready").status_code == 503
            assert "removebg" in httpx.get(url).text
            process.send_signal(number)
            assert process.wait(60) == 0


def test_two_signals_at_once_stop_it_quietly(closed_port: int, tmp_path: Path) -> None:
    with gateway("--url", f"localhost:{closed_port}", home=tmp_path) as (url, process):
        assert httpx.get(f"{url}/health").json() == {"status": "ok"}
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)  # less than the tenth of a second that uvicorn gives to open connections
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0


def test_the_log_says_once_why_callers_are_refused(closed_port: int, tmp_path: Path) -> None:
    photograph = encode(np.zeros((8, 8, 3), np.uint8), "png")
    with gateway("--url", f"localhost:{closed_port}", home=tmp_path) as (url, process):
        for _ in range(2):
            answer = httpx.post(f"{url}/v1.0/removebg", files={"image_file": ("dog.png", photograph)}, timeout=60)
            assert answer.status_code == 503
            assert str(closed_port) not in answer.text
        process.send_signal(signal.SIGTERM)
        (line,) = process.communicate(timeout=60)[1].splitlines()
    assert line.startswith("unavailable: ")
    assert f"localhost:{closed_port}" in line


@pytest.mark.server
@pytest.mark.slow
def test_the_whole_way_to_a_real_server(demo_server: DemoServer, tmp_path: Path) -> None:
    photograph = encode(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8), "png")
    with gateway("--url", demo_server.url, home=tmp_path) as (url, _), Client(demo_server.url) as client:
        assert httpx.get(f"{url}/ready").json() == {"status": "ready", "prompts": ["box"], "videos": False}
        files = {"image_file": ("dog.png", photograph)}
        answer = httpx.post(f"{url}/v1.0/removebg", files=files, data={"size": "full", "format": "png"}, timeout=120)
        if answer.status_code == 400:  # noise may have no subject, for both
            assert answer.json()["errors"][0]["code"] == "unknown_foreground"
        else:
            assert answer.content == client.remove(photograph).to_bytes("png")
        assert answer.status_code in (200, 400)


def test_mistakes_of_the_operator_are_told_in_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, said in {
            ("--port", port): f"cannot listen on 127.0.0.1:{port} (Address already in use): give another --port.",
            ("--port", "99999"): "There is no port 99999",
            ("--serve", "--url", "localhost:1"): "give one of them",
            ("--host", "0.0.0.0", "--port", "0"): "Without keys only this machine is served",
            ("--queue", "-1"): "queue is -1",
            # Of accounts, although there are no keys.
            ("--price", "maximun=2"): "There is no preset 'maximun': write maximum",
            ("--price", "maximum"): "'maximum' is no price: give a preset and its credits, as in maximum=2.",
            ("--price", "maximum=two"): "'two' is no amount of credits: give a number, such as 2 or 0.5.",
            ("--price", "maximum=-1"): "-1 is no amount of credits",
            ("--limits", "file://nothing"): "There are no limits in file: give memory:// or redis://...",
            ("--limits", "redis://127.0.0.1:1"): "redis, which is to hold the rate limits, does not answer: start it.",
            ("--megapixels-per-minute", "0"): "A key cannot send 0 megapixels a minute",
        }.items():
            assert main(["gateway", *arguments]) == 1
            assert said in capsys.readouterr().err


def test_without_its_libraries_the_line_for_pip_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("tuft_gateway")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["gateway"]) == 1
    assert "pip install 'tuft-matting[gateway]'" in capsys.readouterr().err
