"""`tuft-export verify`: one line for each version, or one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.server import empty_repository
from support.tiny import tiny_repository

from tuft.files import file_hash
from tuft_export.checkpoints import CHECKPOINTS
from tuft_export.cli.main import main
from tuft_export.publishing.publish import PublishOptions, publish

DEMO = CHECKPOINTS["demo"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    target = empty_repository(tmp_path)
    publish(DEMO, PublishOptions(target, sizes=(384,)))
    return target


def test_versions_are_listed_with_their_chain_then_the_digest(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(repository)]) == 0
    line, digest = capsys.readouterr().out.splitlines()
    graph = file_hash(repository / "inspyrenet_384" / "1" / "model.onnx")
    assert line == f"inspyrenet_384 1: checkpoint demo {file_hash(DEMO.path, 'sha256')[:12]} -> onnx {graph[:12]}"
    assert main(["verify", "--repository", str(repository)]) == 0
    assert capsys.readouterr().out.splitlines() == [line, digest]
    assert main(["verify", str(repository), "--digest", digest.removeprefix("digest ")]) == 0
    capsys.readouterr()
    assert main(["verify", str(repository), "--digest", "0" * 64]) == 1
    assert f"instead of {'0' * 64}" in capsys.readouterr().err


def test_the_repository_is_model_repository_by_default(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.parent)
    assert main(["verify"]) == 0
    monkeypatch.chdir("/")
    monkeypatch.setenv("TUFT_DATA", "/nowhere")
    capsys.readouterr()
    assert main(["verify"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("tuft-export: There is no model repository at /nowhere/model_repository: name")


def test_a_tampered_file_is_one_line(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = repository / "inspyrenet_384" / "configs" / "python.pbtxt"
    path.write_text(path.read_text().replace("f32", "bf16"))
    assert main(["verify", str(repository)]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == f"tuft-export: {path} is not the file that was published: publish the model again.\n"


def test_another_checkpoint_of_the_same_name_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """tiny_repository names a checkpoint `tiny`, whose contents are the word."""
    repository = tiny_repository(tmp_path / "models")
    file = tmp_path / "tiny.safetensors"
    row = type(DEMO)("tiny", str(file), None, None, None, None, None, "none")
    monkeypatch.setitem(CHECKPOINTS, "tiny", row)
    assert main(["verify", str(repository)]) == 0  # not on this machine
    file.write_text("tiny")
    assert main(["verify", str(repository)]) == 0
    file.write_text("other")
    capsys.readouterr()
    assert main(["verify", str(repository)]) == 1
    error = capsys.readouterr().err
    assert f"inspyrenet_384, version 1, was made from another tiny than {file}" in error
    assert error.count("\n") == 1


def test_neither_onnx_nor_torch_is_needed(repository: Path) -> None:
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
for name in ("onnx", "torch", "onnxruntime", "openvino", "safetensors", "tritonclient"):
    sys.modules[name] = None
from tuft_export.cli import verify
import argparse
verify._run(argparse.Namespace(place=None, repository=__import__("pathlib").Path({str(repository)!r}), digest=None))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("inspyrenet_384 1: checkpoint demo ")
