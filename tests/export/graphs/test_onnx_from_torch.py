"""The exported graph computes what the network computes, whatever the batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from tuft_export.errors import CheckpointError, ParityError
from tuft_export.graphs.onnx_from_torch import OPSET, ExportOptions
from tuft_export.graphs.parity import BatchParity, ParityReport, check_interface, parity_report
from tuft_export.graphs.weightless import with_weights, without_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft_export.inspyrenet import InSPyReNet

PLAIN = ExportOptions(96)
BLENDED = ExportOptions(192)


def arrays_of(network: InSPyReNet) -> dict[str, NDArray[np.generic]]:
    return {key: tensor.numpy() for key, tensor in network.state_dict().items()}


@pytest.mark.slow
def test_a_plain_graph_equals_torch(plain_graph: onnx.ModelProto, tiny_network: InSPyReNet) -> None:
    report = parity_report(plain_graph, tiny_network, PLAIN)
    assert report, str(report)
    assert not report.blend


@pytest.mark.slow
def test_a_blended_graph_equals_torch(blended_graph: onnx.ModelProto, tiny_network: InSPyReNet) -> None:
    report = parity_report(blended_graph, tiny_network, BLENDED)
    assert report, str(report)
    assert report.blend


@pytest.mark.slow
def test_a_graph_of_other_weights_is_found_out(plain_graph: onnx.ModelProto, tiny_network: InSPyReNet) -> None:
    arrays = arrays_of(tiny_network)
    arrays["attention0.threshold"] = arrays["attention0.threshold"] + np.float32(0.05)
    bare = without_weights(plain_graph, set(arrays))
    report = parity_report(with_weights(bare, arrays), tiny_network, PLAIN)
    assert not report
    with pytest.raises(ParityError, match="not the network"):
        report.require()


@pytest.mark.slow
def test_a_graph_meets_the_contract_and_uses_whole_operators(plain_graph: onnx.ModelProto) -> None:
    onnx.checker.check_model(plain_graph, full_check=True)
    check_interface(plain_graph, PLAIN.size)
    operators = {node.op_type for node in plain_graph.graph.node}
    assert {"LayerNormalization", "Gelu"} <= operators
    assert not {"ScatterND", "GatherND", "If", "Loop"} & operators
    assert plain_graph.opset_import[0].version >= OPSET
    with pytest.raises(ParityError, match="inputs are"):
        check_interface(plain_graph, PLAIN.size + 32)


@pytest.mark.slow
def test_weights_go_out_of_a_graph_and_back(plain_graph: onnx.ModelProto, tiny_network: InSPyReNet) -> None:
    arrays = arrays_of(tiny_network)
    bare = without_weights(plain_graph, set(arrays))
    assert len(bare.SerializeToString()) < len(plain_graph.SerializeToString()) - 4 * 50_000
    assert with_weights(bare, arrays).SerializeToString() == plain_graph.SerializeToString()
    del arrays["decoder.conv5.conv.weight"]
    with pytest.raises(CheckpointError, match=r"decoder\.conv5"):
        with_weights(bare, arrays)


def test_blending_is_chosen_by_the_base_size() -> None:
    assert [ExportOptions(size).blends(1024) for size in (384, 1024, 1536)] == [False, False, True]
    assert not ExportOptions(2048, blend=False).blends(1024)


GOOD = BatchParity(1, 1e-4, 1e-6, 0.0, 1e-4, 0.0, 0.3)


@pytest.mark.parametrize(
    ("change", "blend", "verdict"),
    [
        ({}, False, True),
        ({"flipped_share": 1e-6}, False, False),
        ({"flipped_share": 1e-5}, True, True),
        ({"flipped_share": 1e-2}, True, False),
        ({"singles_flipped_share": 1e-2}, True, False),
        ({"output_std": 0.0}, False, False),
    ],
)
def test_the_verdict(change: dict[str, float], blend: bool, verdict: bool) -> None:
    report = ParityReport(96, blend, 2e-3, 1e-4, (GOOD, replace(GOOD, **change)))  # type: ignore[arg-type]
    assert bool(report) is verdict
    assert report.to_dict()["equal"] is verdict
