"""Several processes of one machine with the same metrics port, as docs/monitoring.md describes them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from pathlib import Path

WORKER: Final = """
import numpy as np
from tuft import Client, FakeTransport, Settings
client = Client.from_settings(Settings(metrics_port={port}), transport=FakeTransport())
client.remove(np.zeros((40, 40, 3), np.uint8), size=384, refine="none")
print("served", flush=True)
input()
"""


def started(port: int, folder: Path) -> subprocess.Popen[str]:
    """A worker that has served one request."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER.format(port=port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "served\n"
    return worker


def test_the_one_that_has_the_port_answers_for_all(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with ExitStack() as workers:
        both = []
        for _ in range(2):
            worker = workers.enter_context(started(port, tmp_path))
            workers.callback(worker.kill)
            both.append(worker)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
        said = [worker.communicate("\n", timeout=30)[1] for worker in both]
    (sample,) = (each for each in families["tuft_requests"].samples if each.labels["preset"] == "standard")
    assert sample.value == 2
    assert said[0] == ""
    assert said[1].count("\n") == 1
    assert "Address already in use" in said[1]
