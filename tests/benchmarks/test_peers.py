from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import onnx
import onnxruntime
import peers
import pytest
from _peers.rembgs_graph import rembgs_graph
from onnx import TensorProto, helper

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 16


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A network in tuft's form: the brightness of each pixel as its saliency."""
    nodes = [
        helper.make_node("Cast", ["IMAGE"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["floats", "axis"], ["sums"], keepdims=0),
        helper.make_node("Div", ["sums", "white"], ["SALIENCY"]),
    ]
    constants = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [3]),
        helper.make_tensor("white", TensorProto.FLOAT, [], [765.0]),
    ]
    taken = helper.make_tensor_value_info("IMAGE", TensorProto.UINT8, ["n", SIZE, SIZE, 3])
    given = helper.make_tensor_value_info("SALIENCY", TensorProto.FLOAT, ["n", SIZE, SIZE])
    model = helper.make_model(
        helper.make_graph(nodes, "brightness", [taken], [given], constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_rembgs_graph_computes_what_tufts_computes(graph: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    picture[0, 0] = 255  # rembg divides by the brightest
    as_rembg_normalises = (picture.astype(np.float32) / picture.max() - 0.5).transpose(2, 0, 1)[np.newaxis]
    sessions = [
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for path in (graph, rembgs_graph(graph, tmp_path / "custom.onnx"))
    ]
    (own,) = sessions[0].run(None, {"IMAGE": picture[np.newaxis]})
    (name,) = (taken.name for taken in sessions[1].get_inputs())
    (peers_own,) = sessions[1].run(None, {name: as_rembg_normalises})
    assert peers_own.shape == (1, 1, SIZE, SIZE)
    np.testing.assert_array_equal(peers_own[:, 0], own)


def test_the_table_has_ratios_to_tufts() -> None:
    def row(name: str, ms: float, error: float) -> dict[str, object]:
        figures = dict.fromkeys(peers._FIGURES, error)
        return {"photo": "a", "contestant": name, "ms": [ms, ms, 9 * ms], "bytes": 5000, **figures}

    rows = [row("tuft", 200, 2.0), row("rembg", 500, 3.0)]
    data = {"machine": "M", "load": 1.0, "photographs": 1, "peak_mb": {"tuft": 10, "rembg": 20}, "rows": rows}
    text = peers.table(data)
    assert "| rembg | 500 | 2.50 | 20 | 5 | 1.50 | 1.50 | 1.50 |" in text
    assert "| tuft | 200 | 1.00 | 10 | 5 | 1.00 | 1.00 | 1.00 |" in text
    picture = ElementTree.fromstring(peers.plot(data))
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:2] == ["tuft", "rembg"]
    assert texts[2:5] == ["seconds a photograph", "0.2 s", "0.5 s"]
    assert texts[-3:] == ["colours' error, ratio", "1.00", "1.50"]
    own, other = (bar for bar in picture.iter("{http://www.w3.org/2000/svg}rect") if bar.get("x") == "170")
    assert float(own.get("width", 0)) / float(other.get("width", 0)) == pytest.approx(200 / 500)
