"""Exports the graphs that ship with the demo checkpoint: `python -m tuft_export.demo_graphs`.

Needed after changes to the network's code or the demo's configuration, not for new weights of the same shapes.
"""

from __future__ import annotations

from tuft import contract
from tuft_export.checkpoints import checkpoint_from_name, load_network
from tuft_export.graphs.onnx_from_torch import ExportOptions, onnx_from_torch
from tuft_export.graphs.parity import parity_report
from tuft_export.graphs.weightless import demo_graph, without_weights


def main() -> None:
    """Exports every size of the contract, checks its parity with torch, and writes it without its weights."""
    network = load_network(checkpoint_from_name("demo"))
    keys = set(network.state_dict())
    for size in contract.SIZES:
        options = ExportOptions(size)
        model = onnx_from_torch(network, options)
        report = parity_report(model, network, options)
        print(report, flush=True)
        report.require()
        demo_graph(size).write_bytes(without_weights(model, keys).SerializeToString())


if __name__ == "__main__":
    main()
