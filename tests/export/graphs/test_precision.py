"""Half precision: which nodes have it, what the roundings do, and that mattes stay as good."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from tuft.errors import OptionError
from tuft_export.errors import ParityError
from tuft_export.graph_metadata import metadata
from tuft_export.graphs.precision import HEADS, ISLANDS, rounded, with_precision
from tuft_export.graphs.precision_parity import precision_report
from tuft_export.parity.ort_session import Saliency
from tuft_export.sample_images import stress_pictures
from tuft_training.measures import gradient_error, intersection_over_union
from tuft_training.scenes import Scene, scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALVES = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every value by name."""
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    return types | {tensor.name: tensor.data_type for tensor in inferred.initializer}


@pytest.mark.slow
@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("graph", ["plain_graph", "blended_graph", "demo_graph_384"])
def test_products_are_half_and_islands_are_not(graph: str, precision: str, request: pytest.FixtureRequest) -> None:
    model: onnx.ModelProto = request.getfixturevalue(graph)
    halved = with_precision(model, precision)
    onnx.checker.check_model(halved, full_check=True)
    assert metadata(halved)["tuft.precision"] == f'"{precision}"'
    assert [value.type for value in halved.graph.output] == [value.type for value in model.graph.output]
    types = element_types(halved)
    islands = re.compile("|".join(island.pattern for island in ISLANDS))
    for node in halved.graph.node:
        if node.op_type == "BatchNormalization":
            pytest.fail(f"{node.name} is not folded")
        if islands.search(node.name):
            assert HALVES[precision] not in {types[name] for name in (*node.input, *node.output) if name}, node.name
        elif node.op_type in ("Conv", "MatMul"):
            assert {types[name] for name in (*node.input, *node.output)} == {HALVES[precision]}, node.name


@pytest.mark.slow
def test_every_island_is_there(plain_graph: onnx.ModelProto, blended_graph: onnx.ModelProto) -> None:
    names = [node.name for model in (plain_graph, blended_graph) for node in model.graph.node]
    for pattern in (*(island.pattern for island in ISLANDS), HEADS.pattern):
        assert any(re.search(pattern, name) for name in names), pattern


@pytest.mark.slow
def test_half_precision_halves_the_file(demo_graph_384: onnx.ModelProto) -> None:
    halved = with_precision(demo_graph_384, "fp16")
    assert halved.ByteSize() < 0.6 * demo_graph_384.ByteSize()
    assert len(halved.graph.node) < len(demo_graph_384.graph.node)


def test_float32_is_left_alone_and_others_are_refused(demo_graph_384: onnx.ModelProto) -> None:
    assert with_precision(demo_graph_384, "fp32") is demo_graph_384
    with pytest.raises(OptionError, match="choose one of fp32, fp16, bf16"):
        with_precision(demo_graph_384, "int8")


def squares(dtype: int) -> onnx.ModelProto:
    """IMAGE squared in a half type, as SALIENCY in float32."""
    nodes = [
        helper.make_node("Cast", ["IMAGE"], ["x"], to=dtype, name="/Cast"),
        helper.make_node("Mul", ["x", "x"], ["y"], name="/Mul"),
        helper.make_node("Sqrt", ["y"], ["z"], name="/Sqrt"),
        helper.make_node("Cast", ["z"], ["SALIENCY"], to=TensorProto.FLOAT, name="/Cast_2"),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("IMAGE", "SALIENCY")]
    graph = helper.make_graph(nodes, "squares", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def test_roundings_are_made_where_a_runtime_would_leave_them_out() -> None:
    values = np.array([1.0001234, 300, 1e-4, 3], np.float32)
    half = values.astype(np.float16)
    with np.errstate(over="ignore"):
        expected = np.sqrt(half * half).astype(np.float32)  # numpy does round, and 300² does overflow
    np.testing.assert_array_equal(Saliency(rounded(squares(TensorProto.FLOAT16)))(values), expected)
    bfloat16 = Saliency(rounded(squares(TensorProto.BFLOAT16)))(values)
    assert bfloat16[0] == 1
    assert np.isfinite(bfloat16).all()


@pytest.mark.slow
def test_without_its_islands_the_largest_network_overflows() -> None:
    """SICA's sums at a base size of 384 are past float16 already; at 1024 they are seven times as large."""
    positions, channels = 384 * 384, 4
    nodes = [
        helper.make_node("MatMul", ["IMAGE", "features"], ["context"], name="network.attention0.context/MatMul"),
        helper.make_node("Sigmoid", ["context"], ["SALIENCY"], name="/Sigmoid"),
    ]
    features = np.ones((positions, channels), np.float32)
    graph = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info("IMAGE", TensorProto.FLOAT, [5, positions])],
        [helper.make_tensor_value_info("SALIENCY", TensorProto.FLOAT, [5, channels])],
        [onnx.numpy_helper.from_array(features, "features")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    regions = np.full((5, positions), -0.5, np.float32)  # sums of -73,728
    kept, dropped = with_precision(model, "fp16"), with_precision(model, "fp16", [])
    onnx.checker.check_model(dropped, full_check=True)
    context = [_context(rounded(halved), regions) for halved in (kept, dropped)]
    assert np.isfinite(context[0]).all()
    assert np.isneginf(context[1]).all()


def _context(model: onnx.ModelProto, regions: NDArray[np.float32]) -> NDArray[np.float32]:
    """What goes into the sigmoid."""
    (sigmoid,) = (node for node in model.graph.node if node.op_type == "Sigmoid")
    model.graph.output.append(helper.make_tensor_value_info(sigmoid.input[0], TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    result: NDArray[np.float32] = session.run([sigmoid.input[0]], {"IMAGE": regions})[0]
    return result


@pytest.mark.slow
@pytest.mark.parametrize("precision", HALVES)
def test_the_demo_survives_the_stress_pictures(demo_graph_384: onnx.ModelProto, precision: str) -> None:
    report = precision_report(demo_graph_384, with_precision(demo_graph_384, precision), precision)
    assert report, str(report)
    assert {error.picture for error in report.pictures} == set(stress_pictures(384))
    photograph = report.pictures[0]
    assert photograph.mean_abs > 0  # no rounding at all would prove nothing
    assert photograph.iou > 0.99


@pytest.mark.slow
def test_a_graph_that_does_not_survive_is_refused(demo_graph_384: onnx.ModelProto) -> None:
    halved = with_precision(demo_graph_384, "fp16")
    for tensor in halved.graph.initializer:
        if "attention0.conv_out4" in tensor.name and tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(onnx.numpy_helper.from_array(5 * onnx.numpy_helper.to_array(tensor), tensor.name))
    report = precision_report(demo_graph_384, halved, "fp16")
    with pytest.raises(ParityError, match="nothing was written"):
        report.require()


@pytest.fixture(scope="module")
def held_out() -> list[Scene]:
    return [scene(990_000 + seed, (384, 384)) for seed in range(12)]


def quality(model: onnx.ModelProto, scenes: list[Scene]) -> tuple[float, float]:
    """Mean IoU and gradient error."""
    network = Saliency(model)
    alphas = [network(made.image[None])[0] for made in scenes]
    figures = [
        (intersection_over_union(alpha > 0.5, made.alpha > 0.5), gradient_error(alpha, made.alpha))
        for alpha, made in zip(alphas, scenes, strict=True)
    ]
    iou, gradient = np.mean(figures, axis=0)
    return float(iou), float(gradient)


@pytest.fixture(scope="module")
def full_quality(demo_graph_384: onnx.ModelProto, held_out: list[Scene]) -> tuple[float, float]:
    return quality(demo_graph_384, held_out)


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "allowed"), [("fp16", 0.005), ("bf16", 0.03)])
def test_mattes_stay_as_good(
    demo_graph_384: onnx.ModelProto,
    held_out: list[Scene],
    full_quality: tuple[float, float],
    precision: str,
    allowed: float,
) -> None:
    """Held-out scenes with exact alpha: IoU and gradient error, not only a difference between two guesses."""
    iou, gradient = full_quality
    half_iou, half_gradient = quality(rounded(with_precision(demo_graph_384, precision)), held_out)
    assert abs(half_iou - iou) <= allowed
    assert abs(half_gradient / gradient - 1) <= allowed
