"""Ten small mistakes of a beginner: each is answered by one true sentence on standard error, and harms nothing."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from support.outputs import files, mode
from support.server import empty_repository
from support.tiny import tiny_repository

from tuft import FakeTransport
from tuft.cli.main import main
from tuft.operations.rollout import Plan, read_plan
from tuft.operations.rollout.claim import claimed
from tuft.operations.rollout.state import write_plan

MODEL = "inspyrenet_384"


class Answered(NamedTuple):
    """What a command answered."""

    code: int
    sentence: str


@pytest.fixture(autouse=True)
def caches_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "caches"))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tiny_repository(tmp_path / "repository")


def answered(capsys: pytest.CaptureFixture[str], *arguments: object) -> Answered:
    """Runs the command line; an exception that it lets through fails the test."""
    capsys.readouterr()
    try:
        code = main(list(map(str, arguments)))
    except SystemExit as end:
        code = int(end.code or 0)
    return Answered(code, one_sentence(capsys.readouterr().err))


def one_sentence(said: str) -> str:
    """The error without argparse's usage; empty if nothing was said."""
    lines = [line for line in said.splitlines() if not line.startswith(("usage:", " "))]
    assert len(lines) <= 1, said
    assert "Traceback" not in said
    assert "Errno" not in said
    for line in lines:
        assert line.endswith("."), "a sentence"
    return lines[0] if lines else ""


def test_a_wrong_preset(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = answered(capsys, "remove", photos, "-o", tmp_path / "out", "--preset", "standrd")
    assert code == 2
    assert (
        "There is no preset 'standrd': write standard, or choose one of stable, express, standard, high, maximum, auto."
        in said
    )
    assert not (tmp_path / "out").exists()


def test_a_wrong_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "nothere.jpg"
    code, said = answered(capsys, "remove", missing, "-o", tmp_path / "out")
    assert (code, said) == (1, f"tuft: There is no file or folder {missing}: check its name.")
    assert not (tmp_path / "out").exists()


def test_a_port_that_is_in_use(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = answered(capsys, "serve", "--repository", repository, "--grpc-port", port, "--http-port", 0)
    assert code == 1
    assert said == (
        f"tuft: tritonserver cannot listen on 127.0.0.1:{port} for grpc (Address already in use): stop what listens "
        "there, or choose another port with --grpc-port (0 takes a free one)."
    )


def test_a_version_that_is_not_there(repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    code, said = answered(capsys, "rollout", "start", MODEL, 9, "--repository", repository, "--state", state)
    told = f"{repository / MODEL} has no version 9: publish it with `tuft-export publish --version 9`."
    assert (code, said) == (1, f"tuft: {told}")
    assert not state.exists()


def test_a_typo_in_an_experiment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    definition = tmp_path / "larger.toml"
    variants = '[variants.today]\nweight = 1\n[variants.larger]\nweight = 1\npresett = "high"\n'
    definition.write_text(f'name = "larger"\nplanned_units = 100\n{variants}')
    code, said = answered(capsys, "experiment", "assign", definition, "customer-17")
    told = "There is no setting variants.larger.presett: write preset, or leave it out."
    assert (code, said) == (1, f"tuft: {definition}: {told}")


@pytest.mark.parametrize("action", ["abort", "promote", "status", "watch"])
def test_going_back_without_a_rollout(action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    code, said = answered(capsys, "rollout", action, "--state", state)
    assert (code, said) == (1, f"tuft: There was no rollout in {state}: begin one with `tuft rollout start`.")


def test_a_damaged_cache(
    photos: Path,
    tmp_path: Path,
    server: FakeTransport,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The result does not depend on it: it is made anew, and the command succeeds."""
    cache = tmp_path / "results"
    monkeypatch.setenv("TUFT_CACHE_DIR", str(cache))
    command = ("remove", photos / "dog.png", "-o", tmp_path / "out", "--size", 384, "--refine", "none", "--again")
    assert answered(capsys, *command).code == 0
    kept = [cache / name for name in files(cache)]
    assert kept
    for path in kept:
        path.write_bytes(b"damaged" * 1000)
    caplog.clear()
    assert answered(capsys, *command).code == 0
    (warning,) = caplog.messages
    assert re.fullmatch(
        rf"The cache {re.escape(str(cache))}.* was damaged \(.+\): it is made anew, empty; .*\.", warning
    )
    assert mode(tmp_path / "out" / "dog.png") == "RGBA"
    asked = len(server.requests)
    assert answered(capsys, *command) == (0, "")
    assert len(server.requests) == asked, "it answers again"


def test_two_rollouts(repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, url = tmp_path / "first", tmp_path / "second", "localhost:8001"
    first.mkdir()
    with claimed(url, MODEL, first):
        write_plan(first, Plan("the first", MODEL, "1", "2", url, step=1))
    command = ("rollout", "start", MODEL, 1, "--repository", repository, "--url", url, "--state", second)
    told = (
        f"A rollout of {MODEL} to version 2 is running on {url} with --state {first}: finish or abort that one first."
    )
    assert answered(capsys, *command) == (1, f"tuft: {told}")
    assert read_plan(second) is None


def test_a_repository_that_is_read_only(tmp_path: Path) -> None:
    repository = empty_repository(tmp_path)
    before = files(repository)
    publish = [sys.executable, "-m", "tuft_export", "publish", "--checkpoint", "demo", "--runtime", "python",
               "--sizes", "384", "--repository", str(repository)]  # fmt: skip
    done = subprocess.run([*read_only(repository), *publish], text=True, capture_output=True, check=False)
    said = one_sentence(done.stderr)
    assert (done.returncode, done.stdout) == (1, "")
    assert said.startswith(f"tuft-export: {repository}/{MODEL}")
    assert "Read-only file system" in said or "Permission denied" in said
    assert files(repository) == before


def read_only(folder: Path) -> list[str]:
    """What to put before a command so that it cannot write to `folder`; root needs a mount for that."""
    if os.geteuid() != 0:
        for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            path.chmod(0o555)
        return []
    mount = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"']
    if shutil.which("unshare") is None or subprocess.run([*mount, folder, "true"], check=False).returncode:
        pytest.skip("root may write anywhere, and mounts nothing here")
    return [*mount, str(folder)]


def test_a_setting_that_does_not_exist(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "tuft.toml"
    settings.write_text('presett = "high"\n')
    told = f"{settings} sets presett, which is no setting: write preset."
    for command in (("config",), ("remove", photos, "-o", tmp_path / "out")):
        assert answered(capsys, *command, "--config", settings) == (1, f"tuft: {told}")
