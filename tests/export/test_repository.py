"""Publishing fills version folders completely or not at all, and says where everything came from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.server import empty_repository

from tuft import contract
from tuft_export import repository
from tuft_export.checkpoints import CHECKPOINTS, file_hash, load_weights, verify
from tuft_export.errors import ExportError, PublishError
from tuft_export.graphs import demo_graph, metadata, read_bare
from tuft_export.parity import check_interface
from tuft_export.pictures import warmup_picture
from tuft_export.repository import PublishOptions, publish

DEMO = CHECKPOINTS["demo"]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return empty_repository(tmp_path)


def test_the_demo_is_published_without_torch(target: Path) -> None:
    (folder,) = publish(DEMO, PublishOptions(target, sizes=(384,)))
    assert folder == target / "inspyrenet_384" / "1"
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "model.py", "provenance.json"]
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model)
    check_interface(model, 384)
    warmup = (target / "inspyrenet_384" / "warmup" / "image").read_bytes()
    assert warmup == warmup_picture(384).tobytes()


def test_the_graph_holds_the_checkpoints_weights(target: Path) -> None:
    (folder,) = publish(DEMO, PublishOptions(target, sizes=(384,), runtime="onnxruntime"))
    weights = load_weights(DEMO).arrays
    graph = onnx.load(folder / "model.onnx").graph
    inside = {t.name.removeprefix("network."): onnx.numpy_helper.to_array(t) for t in graph.initializer}
    shared = weights.keys() & inside.keys()
    assert len(shared) > 500
    for key in shared:
        np.testing.assert_array_equal(inside[key], weights[key])


def test_provenance_tells_hashes_tools_and_options(target: Path) -> None:
    (folder,) = publish(DEMO, PublishOptions(target, sizes=(384,)))
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["checkpoint"]["sha256"] == verify(DEMO)
    assert provenance["files"]["model.onnx"] == file_hash(folder / "model.onnx", "sha256")
    assert provenance["options"]["runtime"] == "python"
    assert provenance["network"]["network"]["base_size"] == load_weights(DEMO).config.base_size
    assert provenance["tools"]["onnx"] == onnx.__version__


def test_publishing_again_replaces_the_version(target: Path) -> None:
    options = PublishOptions(target, sizes=(384,))
    (folder,) = publish(DEMO, options)
    (folder / "stale").touch()
    publish(DEMO, options)
    assert not (folder / "stale").exists()
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_a_failure_leaves_the_old_version(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = PublishOptions(target, sizes=(384,))
    (folder,) = publish(DEMO, options)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(repository, "_write_warmup", fail)
    with pytest.raises(OSError, match="disk full"):
        publish(DEMO, options)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_tensorrt_takes_an_engine_built_elsewhere(target: Path, tmp_path: Path) -> None:
    (tmp_path / "model_1024.plan").write_bytes(b"plan")
    options = PublishOptions(target, runtime="tensorrt", sizes=(1024,), engines=tmp_path)
    (folder,) = publish(DEMO, options)
    assert sorted(path.name for path in folder.iterdir()) == ["model.plan", "provenance.json"]
    assert (folder / "model.plan").read_bytes() == b"plan"


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"sizes": (512,)}, "choose from 384"),
        ({"runtime": "torch"}, "choose one of tensorrt"),
        ({"runtime": "tensorrt"}, "trtexec"),
        ({"version": "one"}, "whole number"),
        ({"repository": Path("nowhere")}, "--repository"),
    ],
)
def test_what_cannot_be_published_is_one_sentence(target: Path, change: dict[str, object], remedy: str) -> None:
    options = PublishOptions(**{"repository": target, "sizes": (384,), **change})  # type: ignore[arg-type]
    with pytest.raises(PublishError, match=remedy):
        publish(DEMO, options)


@pytest.mark.parametrize("size", contract.SIZES)
def test_the_shipped_graphs_belong_to_the_shipped_checkpoint(size: int) -> None:
    bare = read_bare(demo_graph(size))
    notes = {key: json.loads(value) for key, value in metadata(bare).items()}
    config = load_weights(DEMO).config
    assert notes["tuft.network"] == json.loads(json.dumps(config.to_dict()))
    assert notes["tuft.blend"] == (size > config.base_size)
    check_interface(bare, size)


def test_weights_of_another_network_do_not_fit(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = load_weights(DEMO)
    del weights.arrays["decoder.conv5.conv.weight"]
    monkeypatch.setattr(repository, "load_weights", lambda _: weights)
    with pytest.raises(ExportError, match="export this checkpoint's graph again"):
        publish(DEMO, PublishOptions(target, sizes=(384,)))
    assert not (target / "inspyrenet_384" / "1").exists()
