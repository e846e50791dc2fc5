"""Folding batch norms changes nothing but the number of nodes."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import torch
from torch import nn

from tuft_export.graphs.batch_norms import fold_batch_norms
from tuft_export.graphs.simplify import simplify


def graph_of(module: nn.Module, image: torch.Tensor) -> ir.Model:
    program = torch.onnx.export(module.eval(), (image,), dynamo=True, opset_version=20, optimize=False, verbose=False)
    assert program is not None
    simplify(program.model, ())  # a convolution without a bias has a computed one
    return program.model


def lively(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.2, 3)
            nn.init.normal_(part.bias)
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.01, 90_000)
    return module


def test_convolutions_with_and_without_bias_and_groups() -> None:
    module = lively(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8, eps=1e-3),
            nn.Conv2d(8, 4, (1, 3)), nn.BatchNorm2d(4),
        )
    )  # fmt: skip
    image = torch.randn(2, 3, 16, 20)
    model = graph_of(module, image)
    fold_batch_norms(model)
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    assert [node.op_type for node in proto.graph.node] == ["Conv", "Relu", "Conv", "Conv"]
    with torch.no_grad():
        expected = module(image).numpy()
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    (actual,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


class Shared(nn.Module):
    """A batch norm after a convolution whose output is also read elsewhere, and one after none."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.conv, self.norm = nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(self.first(x))
        return y + self.norm(y)  # type: ignore[no-any-return]


def test_what_others_read_is_left_alone() -> None:
    image = torch.randn(2, 3, 8, 8)
    module = lively(Shared())
    model = graph_of(module, image)
    fold_batch_norms(model)
    assert [node.op_type for node in model.graph].count("BatchNormalization") == 2
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    with torch.no_grad():
        expected = module(image).numpy()
    (actual,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
