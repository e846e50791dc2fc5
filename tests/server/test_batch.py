"""A batch whose tritonserver is killed at any moment, while it computes, ends with what one left alone has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.buckets import photographs, table
from support.tiny import misbehaving_model, tiny_repository

from tuft import Settings
from tuft.batch.bulk import BatchOptions, BatchReport, run_batch
from tuft.errors import ServerError
from tuft.serve import ServeOptions, running_server

pytestmark = [pytest.mark.server, pytest.mark.slow]
KEYS, BROKEN = 12, 5
# Slow enough that it is killed with requests in it.
SLOW = misbehaving_model("time.sleep(0.1)").replace("np.zeros(images.shape[:3], np.float32)", "images.mean(-1) / 255")


class Server:
    """A tritonserver that can be killed and started again at its address."""

    def __init__(self, repository: Path) -> None:
        self._options = ServeOptions(repository, sizes=(384,), http_port=0, grpc_port=0, metrics_port=0)
        self._running = ExitStack()
        self.start()

    def start(self) -> None:
        before = set(psutil.Process().children())
        self.url = self._running.enter_context(running_server(self._options)).grpc
        (self._process,) = set(psutil.Process().children()) - before
        self._options = replace(self._options, grpc_port=int(self.url.rpartition(":")[2]))

    def kill(self) -> None:
        self._process.kill()
        self.stop()

    def stop(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(
        tiny_repository(tmp_path_factory.mktemp("models"), model=SLOW.replace("/ 255", "/ np.float32(255)"))
    )
    yield running
    running.stop()


def run(server: Server, folder: Path, output: Path, patience_s: float, on_row: Callable[[], Any]) -> BatchReport:
    chosen = Settings(url=server.url, preset="stable")
    options = BatchOptions(size=384)
    return run_batch(
        folder, output, options, settings=chosen, concurrency=4, patience_s=patience_s, on_rows=lambda _: on_row()
    )


@pytest.fixture(scope="module")
def whole(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The photographs, and the cut-outs of a run that is left alone."""
    folder = tmp_path_factory.mktemp("whole")
    photographs(folder / "in", KEYS, broken=(BROKEN,))
    run(server, folder / "in", folder / "out", 120, lambda: None)
    return folder / "in", outputs(folder / "out")


def outputs(folder: Path) -> dict[str, str]:
    """All pictures, with the hashes of their pixels; what is left over is one, too."""
    found = {}
    for file in folder.rglob("*.p*"):
        if file.name != "results.parquet":
            with Image.open(file) as image:
                found[str(file.relative_to(folder))] = hashlib.sha256(image.tobytes()).hexdigest()
    return found


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(moment=st.integers(1, KEYS - 4), returns=st.booleans())
def test_a_server_that_is_killed_loses_no_photograph(
    server: Server,
    whole: tuple[Path, dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
    moment: int,
    returns: bool,
) -> None:
    photos, expected = whole
    output = tmp_path_factory.mktemp("out")
    rows = 0

    def kill_once() -> None:
        nonlocal rows
        rows += 1
        if rows == moment:
            server.kill()
            if returns:
                server.start()

    if returns:
        report = run(server, photos, output, 120, kill_once)
    else:
        with pytest.raises(ServerError):
            run(server, photos, output, 0, kill_once)
        server.start()
    if not returns or set(report.errors) != {"NotAnImageError"}:  # some may have failed by the server's fault
        report = run(server, photos, output, 120, lambda: None)
    assert (report.done, report.errors) == (KEYS - 1, {"NotAnImageError": 1})
    assert sorted(row["input"] for row in table(output)) == sorted(
        str(file.relative_to(photos)) for file in photos.rglob("*.png")
    )
    assert outputs(output) == expected
