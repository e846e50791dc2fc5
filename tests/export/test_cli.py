"""`tuft-export`: every failure is one line and leaves no partial files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnx
import pytest
from support.command_lines import command_paths
from support.tiny import CONFIGURATIONS

from tuft_export.checkpoints import CHECKPOINTS, save_weights
from tuft_export.cli.main import build_parser, main
from tuft_export.graphs import onnx_from_torch
from tuft_export.graphs.onnx_from_torch import ExportOptions
from tuft_export.graphs.weightless import with_weights, without_weights
from tuft_export.inspyrenet import InSPyReNet

PUBLISHED = ("base", "fast", "base-nightly")


@pytest.mark.parametrize("command", command_paths(build_parser()), ids=" ".join)
def test_help(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(" ".join(("usage: tuft-export", *command)))


def test_weights_list_names_every_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CHECKPOINTS)


def test_verify_prints_the_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "verify", "demo"]) == 0
    assert len(capsys.readouterr().out.split()[0]) == 64


@pytest.mark.parametrize(
    "arguments",
    [
        *(["weights", "verify", name] for name in PUBLISHED),
        *(["publish", "--checkpoint", name, "--sizes", "384"] for name in PUBLISHED),
        *(["onnx", "--checkpoint", name, "--size", "384"] for name in PUBLISHED),
        ["publish", "--checkpoint", "base", "--base-size", "384"],
        ["publish", "--runtime", "tensorrt", "--sizes", "384", "--repository", str(CONFIGURATIONS)],
        ["verify"],
        ["verify", "nowhere"],
        ["publish", "--sizes", "500"],
        ["publish", "--checkpoint", "nothing"],
        ["publish", "--sizes", "384", "--repository", "/dev/null"],
        ["onnx", "--size", "100"],
    ],
)
def test_failures_are_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("tuft-export: ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_torch_the_pip_line_is_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tuft_export.graphs.onnx_from_torch", "tuft_export.graphs.parity"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["onnx", "--size", "384"]) == 1
    assert "pip install 'tuft-matting[export]'" in capsys.readouterr().err


@pytest.mark.slow
def test_onnx_writes_the_graph_and_its_proof(
    tiny_network: InSPyReNet, plain_graph: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the structure of a graph that is exported already, and the checkpoint's weights in half precision."""

    def exported(network: InSPyReNet, options: ExportOptions) -> onnx.ModelProto:
        assert (network.config, options) == (tiny_network.config, ExportOptions(96))
        arrays = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
        return with_weights(without_weights(plain_graph, set(arrays)), arrays)

    monkeypatch.setattr(onnx_from_torch, "onnx_from_torch", exported)
    weights, target = tmp_path / "tiny.safetensors", tmp_path / "graph.onnx"
    save_weights(tiny_network, weights)
    assert main(["onnx", "--checkpoint", str(weights), "--size", "96", "-o", str(target)]) == 0
    assert json.loads((tmp_path / "graph.parity.json").read_text())["equal"] is True
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "graph.onnx",
        "graph.onnx.json",
        "graph.parity.json",
        "tiny.safetensors",
    ]
