"""Every node of our graphs against the table of operators that TensorRT's parser takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from onnx import TensorProto, helper, numpy_helper

from tuft import contract
from tuft_export.checkpoints import CHECKPOINTS, load_weights
from tuft_export.graph_metadata import PRECISIONS
from tuft_export.graphs.precision import with_precision
from tuft_export.graphs.tensorrt_support import operator_counts, refused_nodes
from tuft_export.graphs.weightless import demo_graph, read_bare, with_weights

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray


def assert_taken(model: onnx.ModelProto) -> None:
    for precision in PRECISIONS:
        converted = with_precision(model, precision)
        counts = operator_counts(converted)
        assert sum(counts.values()) == len(converted.graph.node)
        print(f"\n{precision}: {len(converted.graph.node)} nodes:", *(f"{op} {n}" for op, n in counts.items()))
        assert refused_nodes(converted) == []


@pytest.mark.slow
@pytest.mark.parametrize("graph", ["plain_graph", "blended_graph"])
def test_swin_graphs_are_taken(graph: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(graph)
    assert_taken(model)
    # One operator each for what would otherwise be nine nodes, or be matched in vain.
    assert {"LayerNormalization", "Gelu"} <= set(operator_counts(model))


@pytest.mark.slow
@pytest.mark.parametrize("size", contract.SIZES)
def test_the_demos_graphs_are_taken(size: int) -> None:
    assert_taken(with_weights(read_bare(demo_graph(size)), load_weights(CHECKPOINTS["demo"]).arrays))


def graph_of(
    node: onnx.NodeProto,
    constants: dict[str, NDArray[Any]] | None = None,
    *,
    opset: int = 20,
    of: int = TensorProto.FLOAT,
    then: onnx.NodeProto | None = None,
) -> onnx.ModelProto:
    """A graph x -> (then's predecessor) -> y of one or two nodes."""
    initializers = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    nodes = [node] if then is None else [node, then]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", of, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def scales() -> dict[str, NDArray[Any]]:
    import numpy as np

    return {"scales": np.array([1, 1, 2, 2], np.float32)}


REFUSED = {
    "no operator": (graph_of(helper.make_node("Det", ["x"], ["y"])), "no operator Det"),
    "another domain": (graph_of(helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")), "com.microsoft.Gelu"),
    "a type": (graph_of(helper.make_node("Relu", ["x"], ["y"]), of=TensorProto.DOUBLE), "Relu takes no DOUBLE"),
    "uint8 inside": (
        graph_of(helper.make_node("Transpose", ["x"], ["y"]), of=TensorProto.UINT8),
        "Transpose takes no UINT8",
    ),
    "uint8 between": (
        graph_of(
            helper.make_node("Cast", ["x"], ["m"], to=TensorProto.UINT8, name="a"),
            then=helper.make_node("Cast", ["m"], ["y"], to=TensorProto.FLOAT, name="b"),
        ),
        "uint8 is for inputs and outputs",
    ),
    "antialiasing": (
        graph_of(helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="linear", antialias=1), scales()),
        "no antialiasing",
    ),
    "cubic": (graph_of(helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="cubic"), scales()), "only nearest"),
    "indices": (graph_of(helper.make_node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2])), "no indices"),
    "dilations": (
        graph_of(helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2])),
        "no dilations",
    ),
    "an old operator set": (graph_of(helper.make_node("Relu", ["x"], ["y"]), opset=8), "operator set is 8"),
}


@pytest.mark.parametrize(("model", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_tensorrt_refuses_is_named(model: onnx.ModelProto, reason: str) -> None:
    sentences = refused_nodes(model)
    assert sentences
    assert all(reason in sentence for sentence in sentences)


def test_what_it_takes_is_not() -> None:
    cast = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    assert refused_nodes(graph_of(cast, of=TensorProto.UINT8)) == []
    resize = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="linear")
    assert refused_nodes(graph_of(resize, scales())) == []
