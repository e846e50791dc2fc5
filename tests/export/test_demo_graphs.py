"""The graphs that ship with tuft compute what today's network code computes."""

from __future__ import annotations

import pytest

from tuft_export.checkpoints import CHECKPOINTS, load_network, load_weights
from tuft_export.graphs.onnx_from_torch import ExportOptions
from tuft_export.graphs.parity import parity_report
from tuft_export.graphs.weightless import demo_graph, read_bare, with_weights


@pytest.mark.slow
@pytest.mark.parametrize("size", [384, 1024])
def test_a_shipped_graph_equals_torch(size: int) -> None:
    row = CHECKPOINTS["demo"]
    model = with_weights(read_bare(demo_graph(size)), load_weights(row).arrays)
    report = parity_report(model, load_network(row), ExportOptions(size))
    assert report, str(report)
