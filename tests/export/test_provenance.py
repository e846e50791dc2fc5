"""The links between weights, graph and engine, and the records that lie beside the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tiny import mean_graph

from tuft_export.checkpoints import CHECKPOINTS, verify
from tuft_export.errors import PublishError
from tuft_export.provenance import (
    checkpoint_link,
    engine_chain,
    graph_record,
    onnx_link,
    read_record,
    record_path,
    write_record,
)

SIZE = 384
ORIGIN = {"kind": "checkpoint", "name": "some", "sha256": "5" * 64}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def engines(tmp_path: Path) -> Path:
    """The output of `tuft-export engine` for one size."""
    model = mean_graph(SIZE)
    content = model.SerializeToString()
    (tmp_path / "model_384.onnx").write_bytes(content)
    write_record(tmp_path / "model_384.onnx", graph_record(ORIGIN, model, content, size=SIZE, precision="fp16"))
    (tmp_path / "model_384.plan").write_bytes(b"plan")
    plan = {"kind": "plan", "sha256": sha256(b"plan"), "from": sha256(content), "gpu": "NVIDIA L4", "tensorrt": "11.4"}
    write_record(tmp_path / "model_384.plan", plan)
    return tmp_path


def test_a_checkpoint_is_named_with_its_hash_and_licence() -> None:
    row = CHECKPOINTS["demo"]
    link = checkpoint_link(row)
    assert link == {"kind": "checkpoint", "name": "demo", "sha256": verify(row), "url": None, "licence": "MIT"}


def test_a_graph_is_joined_to_what_it_was_made_from() -> None:
    model = mean_graph(SIZE)
    model.metadata_props.add(key="tuft.blend", value="true")
    model.metadata_props.add(key="somebody.else", value="not json")
    link = onnx_link(ORIGIN, model, b"bytes", size=SIZE, precision="bf16")
    tools = link.pop("tools")
    assert {"onnx", "numpy"} <= set(tools)
    assert link == {
        "kind": "onnx", "sha256": sha256(b"bytes"), "from": "5" * 64, "precision": "bf16", "size": SIZE, "opset": 20,
        "blend": True,
    }  # fmt: skip


def test_a_record_lies_beside_its_file_and_says_where_the_chain_began(tmp_path: Path) -> None:
    file = tmp_path / "model_384.onnx"
    record = graph_record(ORIGIN, mean_graph(SIZE), b"bytes", size=SIZE)
    write_record(file, record)
    assert [path.name for path in tmp_path.iterdir()] == ["model_384.onnx.json"] == [record_path(file).name]
    assert read_record(file) == record
    assert record["checkpoint"] == ORIGIN


def test_the_chain_of_an_engine(engines: Path) -> None:
    origin, graph, plan = engine_chain(engines, SIZE)
    assert origin == ORIGIN
    assert (graph["precision"], graph["from"], "checkpoint" in graph) == ("fp16", ORIGIN["sha256"], False)
    assert (plan["gpu"], plan["from"]) == ("NVIDIA L4", graph["sha256"])


def test_a_graph_may_have_stayed_where_it_was_exported(engines: Path) -> None:
    (engines / "model_384.onnx").unlink()
    assert len(engine_chain(engines, SIZE)) == 3


def edit(name: str, **values: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "model_384.plan").unlink(), "model_384.plan is missing: build it on the serving"),
        (lambda folder: (folder / "model_384.plan.json").unlink(), "model_384.plan.json is missing"),
        (lambda folder: (folder / "model_384.onnx.json").unlink(), "model_384.onnx.json is missing"),
        (lambda folder: (folder / "model_384.plan.json").write_text("{"), "model_384.plan.json is damaged"),
        (lambda folder: (folder / "model_384.plan.json").write_text("[]"), "model_384.plan.json is damaged"),
        (lambda folder: (folder / "model_384.plan.json").write_text("{}"), "are incomplete"),
        (lambda folder: (folder / "model_384.plan").write_bytes(b"flan"), "model_384.plan is not the file that"),
        (lambda folder: (folder / "model_384.onnx").write_bytes(b"flan"), "model_384.onnx is not the file that"),
        (edit("model_384.plan.json", **{"from": "0" * 64}), "was built from another graph than .*model_384.onnx"),
        (edit("model_384.onnx.json", checkpoint={**ORIGIN, "sha256": "0" * 64}), "was built from another graph"),
        (edit("model_384.onnx.json", checkpoint="demo"), "are incomplete"),
        (edit("model_384.onnx.json", size=1024), "is a graph for 1024 pixels: build one for 384"),
        (edit("model_384.plan.json", kind="onnx"), "was built from another graph"),
    ],
)
def test_an_engine_that_is_not_what_it_claims_is_one_sentence(
    engines: Path, change: Callable[[Path], object], message: str
) -> None:
    change(engines)
    with pytest.raises(PublishError, match=message) as failure:
        engine_chain(engines, SIZE)
    assert "\n" not in str(failure.value)
    assert "build" in str(failure.value).rpartition(": ")[2]
