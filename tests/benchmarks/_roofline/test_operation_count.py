"""Counted work, compared with layers calculated by hand and with torch's own count."""

from __future__ import annotations

import copy
import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from _roofline.operation_count import AROUND, Work, reference_flop, stage_of, work_by_stage
from onnx import TensorProto, helper, numpy_helper
from support.reference import reference_network
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from _gpu.measured_network import MeasuredNetwork


def graph(kind: str, inputs: dict[str, tuple[int, ...]], name: str = "", **attributes: Any) -> onnx.ModelProto:
    """One node; its first input has an open batch axis, the others are weights."""
    (first, shape), *weights = inputs.items()
    node = helper.make_node(kind, list(inputs), ["y"], name=name, **attributes)
    constants = [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights]
    return helper.make_model(
        helper.make_graph(
            [node],
            "one",
            [helper.make_tensor_value_info(first, TensorProto.FLOAT, ["n", *shape[1:]])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 20)],
    )


def test_a_convolution_by_hand() -> None:
    model = graph(
        "Conv", {"x": (1, 4, 10, 8), "w": (6, 2, 3, 5), "b": (6,)}, group=2, pads=[1, 2, 1, 2], strides=[2, 1]
    )
    # 6 × 5 × 8 values, each a sum over 2 channels and 3 × 5 taps.
    assert work_by_stage(model) == {
        AROUND: Work(2 * 6 * 5 * 8 * 2 * 15, 0, 4 * 80 + 6 * 30 + 6 + 240, 4 * 80 + 6 * 30 + 6 + 240)
    }


def test_a_transposed_convolution_by_hand() -> None:
    model = graph("ConvTranspose", {"x": (1, 4, 5, 5), "w": (4, 3, 2, 2)}, strides=[2, 2])
    # Each of 25 places spreads 4 channels over 3 × 2 × 2 values.
    assert work_by_stage(model)[AROUND].product_flop == 2 * 25 * 4 * 12


def test_matrix_products_by_hand() -> None:
    assert work_by_stage(graph("MatMul", {"x": (1, 7, 5, 3), "w": (3, 4)}))[AROUND].product_flop == 2 * 7 * 5 * 3 * 4
    assert work_by_stage(graph("Gemm", {"x": (1, 3), "w": (4, 3)}, transB=1))[AROUND].product_flop == 2 * 3 * 4


def test_what_is_no_product_moves_values_only_when_it_is_not_fused() -> None:
    assert work_by_stage(graph("Relu", {"x": (1, 3, 4, 4)})) == {AROUND: Work(0, 48, 0, 96)}
    assert work_by_stage(graph("Softmax", {"x": (1, 3, 4, 4)})) == {AROUND: Work(0, 5 * 48, 0, 96)}
    pooled = graph("MaxPool", {"x": (1, 3, 4, 4)}, kernel_shape=[2, 2], strides=[2, 2])
    assert work_by_stage(pooled) == {AROUND: Work(0, 4 * 12, 0, 48 + 12)}


def test_a_batch_is_so_many_times_the_work_but_for_the_weights() -> None:
    model = graph("MatMul", {"x": (1, 7, 3), "w": (3, 4)})
    one, four = work_by_stage(model)[AROUND], work_by_stage(model, batch=4)[AROUND]
    assert four.product_flop == 4 * one.product_flop
    assert four.fused_values == 4 * (one.fused_values - 12) + 12


def test_what_weights_alone_give_costs_a_pass_nothing() -> None:
    model = graph("MatMul", {"x": (1, 7, 3), "product": (3, 4)})
    factors = [
        numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in (("a", (3, 5)), ("b", (5, 4)))
    ]
    folded = onnx.ModelProto()
    folded.CopyFrom(model)
    del folded.graph.initializer[:]
    folded.graph.initializer.extend(factors)
    folded.graph.node.insert(0, helper.make_node("MatMul", ["a", "b"], ["product"]))
    assert work_by_stage(folded) == work_by_stage(model)


def test_an_operator_that_nobody_has_costed_is_refused() -> None:
    with pytest.raises(ValueError, match="Nobody has said what Erf costs, which odd is"):
        work_by_stage(graph("Erf", {"x": (1, 3)}, name="odd"))


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("network.backbone.layers.2.blocks.0.attn/MatMul_2", "backbone.layers.2"),
        ("network.backbone.stages.0.0.depthwise.relu/Clip", "backbone.stages.0"),
        ("network.backbone.patch_embed/Conv", "backbone"),
        ("network.context4.branch1.conv0.conv/Conv", "contexts"),
        ("network.decoder.conv5.conv/Conv", "decoder"),
        ("network.attention0.context/MatMul", "attention0"),
        ("Multiply_3_abcd_network.attention1/Softmax", "attention1"),
        ("network.transition0/MaxPool", AROUND),
        ("/Cast", None),
    ],
)
def test_a_name_tells_its_stage(name: str, stage: str | None) -> None:
    assert stage_of(name) == stage


class Layers(nn.Module):
    """Products of all kinds, with other operations between them."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(3, 8, 3, padding=2, dilation=2)
        self.grouped = nn.Conv2d(8, 8, 5, stride=2, padding=2, groups=4)
        self.back = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.linear = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.back(torch.relu(self.grouped(self.wide(x))))
        similarity = torch.softmax(x.flatten(2) @ x.flatten(2).transpose(1, 2), dim=-1)
        return self.linear((similarity @ x.flatten(2)).reshape(x.shape))  # type: ignore[no-any-return]


def test_torch_counts_the_same_products() -> None:
    network, image = Layers().eval(), torch.zeros(1, 3, 16, 16)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that is fast enough here is deprecated
        torch.onnx.export(network, (image,), file, dynamo=False, opset_version=17)
    counted = work_by_stage(onnx.load_from_string(file.getvalue()))
    assert sum(work.product_flop for work in counted.values()) == counter.get_total_flops()


@pytest.mark.slow
def test_torch_counts_the_same_for_every_stage_of_the_network(exported_network: MeasuredNetwork) -> None:
    size_px = exported_network.module.config.base_size
    counted = work_by_stage(onnx.load(exported_network.graph(size_px, "fp32")))
    network = copy.deepcopy(exported_network.module)
    reference = reference_network(network).to("meta")
    image = torch.zeros(1, 3, size_px, size_px, device="meta")
    ours, theirs = reference_flop(network.to("meta"), image), reference_flop(reference, image)
    assert {stage: work.product_flop for stage, work in counted.items() if work.product_flop} == ours
    assert ours.keys() == theirs.keys()
