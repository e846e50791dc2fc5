"""The graphs that ship with tuft compute what today's network code computes."""

from __future__ import annotations

import pytest

from tuft_export.checkpoints import CHECKPOINTS, load_network, load_weights
from tuft_export.graphs.onnx_from_torch import ExportOptions
from tuft_export.graphs.parity import BATCH_SIZES, parity_report
from tuft_export.graphs.weightless import demo_graph, read_bare, with_weights


@pytest.mark.slow
@pytest.mark.parametrize(("size", "batch_sizes"), [(384, BATCH_SIZES), (1024, (2,))])
def test_a_shipped_graph_equals_torch(size: int, batch_sizes: tuple[int, ...]) -> None:
    row = CHECKPOINTS["demo"]
    model = with_weights(read_bare(demo_graph(size)), load_weights(row).arrays)
    report = parity_report(model, load_network(row), ExportOptions(size), batch_sizes)
    assert report, str(report)
