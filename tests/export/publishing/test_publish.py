"""Publishing fills version folders completely or not at all, and records their provenance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from support.server import empty_repository
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tuft import contract
from tuft.files import file_hash
from tuft.provenance import check_repository, read
from tuft_export.checkpoints import CHECKPOINTS, Checkpoint, checkpoint_from_name, load_weights, verify
from tuft_export.errors import ExportError, PublishError
from tuft_export.graph_metadata import metadata
from tuft_export.graphs import provider as graph_source
from tuft_export.graphs.parity import check_interface
from tuft_export.graphs.weightless import demo_graph, read_bare
from tuft_export.provenance import checkpoint_link, graph_record, write_record
from tuft_export.publishing import publish as publishing
from tuft_export.publishing.configurations import FILES, state_best_size
from tuft_export.publishing.publish import PublishOptions, publish
from tuft_export.sample_images import warmup_picture

DEMO = CHECKPOINTS["demo"]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return empty_repository(tmp_path)


def test_the_demo_is_published_without_torch(target: Path) -> None:
    (folder,) = publish(DEMO, PublishOptions(target, sizes=(384,)))
    assert folder == target / "inspyrenet_384" / "1"
    assert sorted(path.name for path in folder.iterdir()) == [
        "__pycache__",
        "model.onnx",
        "model.py",
        "provenance.json",
        "tuft_runtime",
    ]
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model)
    check_interface(model, 384)
    warmup = (target / "inspyrenet_384" / "warmup" / "image").read_bytes()
    assert warmup == warmup_picture(384).tobytes()


def test_what_a_checkpoint_gains_nothing_from_is_stated_in_every_configuration(target: Path) -> None:
    for size, stated in ((2048, True), (384, False)):
        folder = target / contract.model_name(size)
        before = [(folder / file).read_text() for file in FILES]
        state_best_size(folder, 1024 if stated else None, "1")
        state_best_size(folder, 1024 if stated else None, "1")  # once is enough
        for file, text in zip(FILES, before, strict=True):
            config = text_format.Parse((folder / file).read_text(), ModelConfig())
            assert config.parameters[contract.BEST_SIZE_PARAMETER].string_value == ("1024" if stated else "")
            del config.parameters[contract.BEST_SIZE_PARAMETER]
            assert config == text_format.Parse(text, ModelConfig())
        state_best_size(folder, None, "1")
        assert [(folder / file).read_text() for file in FILES] == before


def test_versions_that_differ_state_no_best_size(target: Path) -> None:
    folder = target / "inspyrenet_2048"
    before = (folder / FILES[0]).read_text()
    (folder / "1").mkdir()
    state_best_size(folder, 1024, "2")
    assert (folder / FILES[0]).read_text() == before
    state_best_size(folder, 1024, "1")
    (folder / "2").mkdir()
    state_best_size(folder, 1024, "2")
    assert (folder / FILES[0]).read_text() != before
    state_best_size(folder, None, "2")
    assert (folder / FILES[0]).read_text() == before


def test_the_demos_large_models_say_that_1024_is_as_good(tmp_path: Path) -> None:
    publish(DEMO, PublishOptions(tmp_path, sizes=(384, 1536)))
    texts = [(tmp_path / contract.model_name(size) / FILES[3]).read_text() for size in (384, 1536)]
    assert ["tuft_best_size" in text for text in texts] == [False, True]


def test_a_repository_that_is_not_there_is_made_with_the_projects_configurations(tmp_path: Path, target: Path) -> None:
    made = tmp_path / "made"
    publish(DEMO, PublishOptions(made, sizes=(384,)))
    assert [folder.name for folder in made.iterdir()] == ["inspyrenet_384"]
    for file in FILES:
        assert (made / "inspyrenet_384" / file).read_bytes() == (target / "inspyrenet_384" / file).read_bytes()
    assert len(check_repository(made)) == 1


def test_a_configuration_that_was_edited_is_left_alone(target: Path) -> None:
    file = target / "inspyrenet_384" / "config.pbtxt"
    file.write_text(file.read_text() + "# mine\n")
    publish(DEMO, PublishOptions(target, sizes=(384,)))
    assert file.read_text().endswith("# mine\n")


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
    origin, graph = provenance["chain"]
    assert (origin["kind"], origin["name"], origin["sha256"]) == ("checkpoint", "demo", verify(DEMO))
    assert (graph["kind"], graph["precision"], graph["size"], graph["from"]) == ("onnx", "fp32", 384, verify(DEMO))
    assert graph["sha256"] == file_hash(folder / "model.onnx") == provenance["files"]["model.onnx"]
    assert graph["network"]["base_size"] == load_weights(DEMO).config.base_size
    assert graph["blend"] is False
    assert graph["tools"]["onnx"] == onnx.__version__
    assert provenance["options"]["runtime"] == "python"


def test_what_is_published_is_sound(target: Path) -> None:
    publish(DEMO, PublishOptions(target, sizes=(384, 1024)))
    publish(DEMO, PublishOptions(target, sizes=(384,), version="2", runtime="openvino"))
    published = [(record.model, record.version) for record in check_repository(target)]
    assert published == [("inspyrenet_1024", "1"), ("inspyrenet_384", "1"), ("inspyrenet_384", "2")]


def test_the_checkpoint_is_hashed_and_read_once_for_all_sizes(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    for name in ("checkpoint_link", "load_weights"):
        call = getattr(graph_source, name)
        monkeypatch.setattr(graph_source, name, lambda row, name=name, call=call: (calls.append(name), call(row))[1])
    publish(DEMO, PublishOptions(target, sizes=(384, 1024)))
    assert sorted(calls) == ["checkpoint_link", "load_weights"]


def test_another_precision_is_made_and_told(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_precision(model: onnx.ModelProto, precision: str) -> onnx.ModelProto:
        model.doc_string = precision
        return model

    monkeypatch.setattr("tuft_export.graphs.precision.with_precision", with_precision)
    (folder,) = publish(DEMO, PublishOptions(target, sizes=(384,), precision="bf16"))
    assert onnx.load(folder / "model.onnx").doc_string == "bf16"
    assert read(folder).chain[1]["precision"] == "bf16"


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
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(publishing, "_write_warmup", fail)
    with pytest.raises(OSError, match="disk full"):
        publish(DEMO, options)
    assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def engines_of(checkpoint: Checkpoint, folder: Path, sizes: tuple[int, ...] = (1024,)) -> Path:
    """The output of `tuft-export engine`, with other bytes for engines."""
    folder.mkdir()
    for size in sizes:
        graph_file, plan_file = folder / f"model_{size}.onnx", folder / f"model_{size}.plan"
        model = read_bare(demo_graph(size))
        content = model.SerializeToString()
        graph = graph_record(checkpoint_link(checkpoint), model, content, size=size)
        graph_file.write_bytes(content)
        write_record(graph_file, graph)
        plan_file.write_bytes(b"plan of %d" % size)
        write_record(plan_file, {"kind": "plan", "sha256": file_hash(plan_file), "from": graph["sha256"]})
    return folder


def test_tensorrt_takes_engines_built_elsewhere(target: Path, tmp_path: Path) -> None:
    engines = engines_of(DEMO, tmp_path / "engines", (1024, 1536))
    options = PublishOptions(target, runtime="tensorrt", sizes=(1024, 1536), engines=engines)
    folder, _ = publish(DEMO, options)
    assert sorted(path.name for path in folder.iterdir()) == ["model.plan", "provenance.json"]
    assert (folder / "model.plan").read_bytes() == b"plan of 1024"
    first, _ = check_repository(target)
    assert [link["kind"] for link in first.chain] == ["checkpoint", "onnx", "plan"]
    assert first.chain[0] == checkpoint_link(DEMO)


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"precision": "fp16"}, "precision fp32 instead of fp16: build it again, or leave out --precision"),
        ({"blend": False}, "blend True instead of False: build it again, or leave out --blend"),
        ({"sizes": (1024, 384)}, r"model_384\.plan is missing: build it .* `tuft-export engine`"),
    ],
)
def test_engines_of_other_options_are_refused_before_anything_is_published(
    target: Path, tmp_path: Path, change: dict[str, Any], remedy: str
) -> None:
    options = PublishOptions(target, "tensorrt", (1024,), engines=engines_of(DEMO, tmp_path / "engines"))
    with pytest.raises(PublishError, match=remedy):
        publish(DEMO, replace(options, **change))
    assert list(target.glob("*/*1*")) == []


def test_engines_of_another_checkpoint_are_refused(target: Path, tmp_path: Path) -> None:
    engines = engines_of(DEMO, tmp_path / "engines")
    (tmp_path / "other.safetensors").write_bytes(b"other weights")
    other = checkpoint_from_name(str(tmp_path / "other.safetensors"))
    with pytest.raises(PublishError, match=r"built from another checkpoint than other\.safetensors, from demo"):
        publish(other, PublishOptions(target, "tensorrt", (1024,), engines=engines))


def test_engines_may_be_published_where_the_checkpoint_is_not(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = engines_of(DEMO, tmp_path / "engines")
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path))
    elsewhere = replace(DEMO, url="http://127.0.0.1:9/demo.safetensors", file_name="nowhere.safetensors")
    publish(elsewhere, PublishOptions(target, "tensorrt", (1024,), engines=engines))
    with pytest.raises(PublishError, match="built from another checkpoint than base"):
        publish(CHECKPOINTS["base"], PublishOptions(target, "tensorrt", (1024,), engines=engines))


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"sizes": (512,)}, "choose from 384"),
        ({"runtime": "torch"}, "choose one of tensorrt"),
        ({"runtime": "tensorrt"}, "--engines DIR"),
        ({"precision": "int8"}, "choose one of fp32"),
        ({"version": "one"}, "whole number"),
        ({"version": "²"}, "whole number"),
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
    monkeypatch.setattr(graph_source, "load_weights", lambda _: weights)
    with pytest.raises(ExportError, match="export this checkpoint's graph again"):
        publish(DEMO, PublishOptions(target, sizes=(384,)))
    assert not (target / "inspyrenet_384" / "1").exists()
