"""The graph of an engine: exported once, again when it would differ, with a record for the chain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from support.tiny import mean_graph

import tuft
from tuft.files import file_hash
from tuft_export.engines.files import EngineFiles
from tuft_export.engines.graph import GraphOptions, exported_graph, graph_in_place
from tuft_export.graph_metadata import BLEND_KEY, CONFIG_KEY
from tuft_export.provenance import read_record

if TYPE_CHECKING:
    from pathlib import Path

BASE_SIZE = 384


class Source:
    """A checkpoint whose graphs are tiny; counts how many were made."""

    def __init__(self, sha256: str = "aa" * 32) -> None:
        self.link = {"kind": "checkpoint", "name": "tiny", "sha256": sha256, "url": None, "licence": "MIT"}
        self.made: list[tuple[int, bool | None, str]] = []

    def graph(self, size: int, blend: bool | None, precision: str = "fp32") -> onnx.ModelProto:
        self.made.append((size, blend, precision))
        model = mean_graph(size)
        notes = {
            CONFIG_KEY: json.dumps({"base_size": BASE_SIZE}),
            BLEND_KEY: json.dumps(size > BASE_SIZE if blend is None else blend),
        }
        onnx.helper.set_model_props(model, notes)
        return model


@pytest.fixture
def files(tmp_path: Path) -> EngineFiles:
    return EngineFiles(tmp_path / "engines", 1024)


def export(source: Any, files: EngineFiles, *, force: bool = False, **options: Any) -> bool:
    return exported_graph(source, files, GraphOptions(**options), force=force)


def test_graph_and_record_are_written(files: EngineFiles) -> None:
    source = Source()
    assert export(source, files)
    assert sorted(path.name for path in files.folder.iterdir()) == ["model_1024.onnx", "model_1024.onnx.json"]
    record = read_record(files.graph)
    assert record["checkpoint"] == source.link
    assert record["from"] == source.link["sha256"]
    assert record["sha256"] == file_hash(files.graph)
    assert graph_in_place(files) == record


def test_an_unchanged_graph_is_kept(files: EngineFiles) -> None:
    source = Source()
    assert export(source, files)
    assert not export(source, files)
    assert not export(Source(), files, blend=True)  # what None means at 1024
    assert source.made == [(1024, None, "fp32")]


@pytest.mark.parametrize(
    "change", ["checkpoint", "blend", "precision", "version", "graph", "record", "incomplete", "force"]
)
def test_another_graph_is_exported(change: str, files: EngineFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    export(Source(), files)
    record_file = files.folder / "model_1024.onnx.json"
    if change == "version":
        monkeypatch.setattr(tuft, "__version__", "9.9")
    elif change == "graph":
        files.graph.write_bytes(files.graph.read_bytes()[1:])
    elif change == "record":
        record_file.unlink()
    elif change == "incomplete":
        record_file.write_text(json.dumps({"kind": "onnx", "sha256": file_hash(files.graph)}))
    source = Source("bb" * 32) if change == "checkpoint" else Source()
    options = {"blend": {"blend": False}, "precision": {"precision": "fp16"}}.get(change, {})
    assert export(source, files, force=change == "force", **options)
    assert len(source.made) == 1
    assert graph_in_place(files)["checkpoint"] == source.link


def test_half_precision_is_asked_for_and_recorded(files: EngineFiles) -> None:
    source = Source()
    export(source, files, precision="bf16")
    assert source.made == [(1024, None, "bf16")]
    assert graph_in_place(files)["precision"] == "bf16"


def test_a_failed_export_leaves_nothing(files: EngineFiles) -> None:
    class Failing(Source):
        def graph(self, size: int, blend: bool | None, precision: str = "fp32") -> onnx.ModelProto:
            raise MemoryError

    with pytest.raises(MemoryError):
        export(Failing(), files)
    assert not files.folder.exists()


def test_the_bytes_are_the_graphs(files: EngineFiles) -> None:
    export(Source(), files)
    model = onnx.load(files.graph)
    assert [value.name for value in model.graph.input] == ["IMAGE"]
    assert np.prod([d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:]]) == 1024 * 1024 * 3
