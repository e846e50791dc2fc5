"""A batch that is killed at any moment, again and again, ends with the outputs of one that was not."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from support import killed_batch
from support.buckets import photographs, table

KEYS = 7
# Shares of the changes that a run makes to its output, and on which side of one it is killed.
moments = st.lists(st.tuples(st.floats(0, 0.999), st.sampled_from(["before", "after"])), min_size=1, max_size=2)


def run(input: Path, output: Path, into: str, number: int = 0, when: str = "after") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, killed_batch.__file__, str(input), str(output), into, str(number), when]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, env=paths, capture_output=True, text=True, check=False)


def pixels(data: bytes) -> str:
    """Not of the bytes: ISA-L does not promise to deflate the same picture to the same bytes in every process."""
    with Image.open(io.BytesIO(data)) as image:
        return hashlib.sha256(image.tobytes()).hexdigest()


def outputs(folder: Path) -> dict[str, str]:
    """All files but the table and tuft's own, with the hashes of their pixels."""
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("results.parquet", "job.json", "lock")
    ]
    return {str(path.relative_to(folder)): pixels(path.read_bytes()) for path in files}


def rows(folder: Path) -> list[dict[str, Any]]:
    return sorted(({**row, "milliseconds": None} for row in table(folder)), key=lambda row: str(row["input"]))


@pytest.fixture(scope="module", params=["pictures", "tar"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path, int]:
    """How it is done, the photographs, what a run makes of them that is not killed, and its changes."""
    folder = tmp_path_factory.mktemp(request.param)
    photographs(folder / "in", KEYS, broken=(2,))
    done = run(folder / "in", folder / "out", request.param)
    assert done.returncode == 0, done.stderr
    return request.param, folder / "in", folder / "out", int(done.stdout)


@settings(max_examples=3, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
@given(killed=moments)
def test_it_goes_on_where_it_was_killed(
    whole: tuple[str, Path, Path, int], tmp_path_factory: pytest.TempPathFactory, killed: list[tuple[float, str]]
) -> None:
    into, photos, expected, changes = whole
    output = tmp_path_factory.mktemp("out")
    for share, when in killed:
        done = run(photos, output, into, 1 + int(share * changes), when)
        assert done.returncode in (-signal.SIGKILL, 0), done.stderr
    done = run(photos, output, into)
    assert done.returncode == 0, done.stderr
    assert [row["input"] for row in rows(output)] == [row["input"] for row in rows(expected)]
    assert [row["status"] for row in rows(output)] == [row["status"] for row in rows(expected)]
    if into == "pictures":
        assert outputs(output) == outputs(expected)
        assert rows(output) == rows(expected)
    else:
        named = {row["output"].partition("/")[0] for row in rows(output) if row["output"]}
        assert {path.name for path in output.glob("shard-*")} == named
        assert members(output) == members(expected)


def members(folder: Path) -> dict[str, str]:
    """The pictures in all shards, with their hashes; one that is there twice fails."""
    found: dict[str, str] = {}
    for shard in folder.glob("shard-*.tar"):
        with tarfile.open(shard) as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is not None and member.name.endswith(".png"):
                    assert member.name not in found
                    found[member.name] = pixels(content.read())
    return found
