"""Provides the graphs of a checkpoint, at any size and precision."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from tuft_export.architecture import NetworkConfig
from tuft_export.checkpoints import Weights, load_network, load_weights
from tuft_export.errors import PublishError
from tuft_export.graph_metadata import BLEND_KEY, CONFIG_KEY, metadata
from tuft_export.graphs.weightless import demo_graph, read_bare, with_weights
from tuft_export.provenance import checkpoint_link
from tuft_export.sample_images import stress_pictures

if TYPE_CHECKING:
    import onnx

    from tuft.provenance import Link
    from tuft_export.checkpoints import Checkpoint
    from tuft_export.graphs.parity import ParityReport
    from tuft_export.graphs.precision_parity import PrecisionReport
    from tuft_export.inspyrenet import InSPyReNet


class ProvenGraph(NamedTuple):
    """A graph, and its comparison with its origin."""

    model: onnx.ModelProto
    report: ParityReport | PrecisionReport


class GraphSource:
    """The graphs of one checkpoint, which is hashed and read at most once."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    @cached_property
    def link(self) -> Link:
        """The checkpoint's link, the first of every chain of provenance."""
        return checkpoint_link(self.checkpoint)

    @cached_property
    def weights(self) -> Weights:
        """The weights as arrays, without torch."""
        return load_weights(self.checkpoint)

    @cached_property
    def network(self) -> InSPyReNet:
        """The network in torch."""
        return load_network(self.checkpoint)

    def graph(self, size: int, blend: bool | None, precision: str = "fp32") -> onnx.ModelProto:
        """A checked graph with its weights: of the structure that ships with tuft where it fits, else exported.

        Args:
            size: Side of the input in pixels.
            blend: As in `ExportOptions`.
            precision: One of `tuft_export.graph_metadata.PRECISIONS`.

        Raises:
            PublishError: It needs torch or its tools, and they are not installed.
            CheckpointError: The weights are missing or not the published ones.
            ParityError: The graph does not compute the same as the network.
        """
        try:
            model = self._shipped_graph(size, blend) or self.exported(size, blend).model
        except ModuleNotFoundError as exc:
            raise PublishError(f"Publishing the demo needs {exc.name}: pip install 'tuft-matting[server]'.") from exc
        return model if precision == "fp32" else in_precision(model, precision).model

    def exported(self, size: int, blend: bool | None, *, thorough: bool = False) -> ProvenGraph:
        """The network exported by torch in float32, compared with torch.

        Args:
            size: Side of the input in pixels.
            blend: As in `ExportOptions`.
            thorough: Compare several batch sizes, not only one.

        Raises:
            PublishError, CheckpointError, ParityError: As `graph`.
        """
        try:
            from tuft_export.graphs.onnx_from_torch import ExportOptions, onnx_from_torch
            from tuft_export.graphs.parity import BATCH_SIZES, parity_report
        except ImportError as exc:
            raise PublishError(f"Exporting needs torch: pip install 'tuft-matting[export]' ({exc}).") from exc
        options = ExportOptions(size, blend)
        model = onnx_from_torch(self.network, options)
        report = parity_report(model, self.network, options, BATCH_SIZES if thorough else (2,))
        report.require()
        return ProvenGraph(model, report)

    def _shipped_graph(self, size: int, blend: bool | None) -> onnx.ModelProto | None:
        if self.checkpoint.name != "demo":
            return None
        bare = read_bare(demo_graph(size))
        made_for = NetworkConfig.from_dict(json.loads(metadata(bare)[CONFIG_KEY]))
        blended = json.loads(metadata(bare)[BLEND_KEY])
        if made_for != self.weights.config or blend not in (None, blended):
            return None
        return with_weights(bare, self.weights.arrays)


# A photograph, and the two images that are hardest for normalisations.
_PROOF_PICTURES: Final = ("photograph", "grey", "one bright pixel")


def in_precision(model: onnx.ModelProto, precision: str, *, thorough: bool = False) -> ProvenGraph:
    """Converts a float32 graph to half precision, and compares the two.

    Args:
        model: In float32.
        precision: fp16 or bf16.
        thorough: Compare on all of `tuft_export.sample_images.stress_pictures`, not only on three of them.

    Raises:
        PublishError: The tools for it are not installed.
        ParityError: The result is outside the tolerance.
    """
    try:
        from tuft_export.graphs.precision import with_precision
        from tuft_export.graphs.precision_parity import precision_report
    except ImportError as exc:
        raise PublishError(f"Another precision than fp32 needs pip install 'tuft-matting[export]' ({exc}).") from exc
    size = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    pictures = stress_pictures(size)
    chosen = pictures if thorough else {name: pictures[name] for name in _PROOF_PICTURES}
    halved = with_precision(model, precision)
    report = precision_report(model, halved, precision, chosen)
    report.require()
    return ProvenGraph(halved, report)
