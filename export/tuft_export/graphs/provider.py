"""The graphs of one checkpoint, at any size and precision."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from tuft_export.architecture import NetworkConfig
from tuft_export.checkpoints import Weights, load_network, load_weights
from tuft_export.errors import PublishError
from tuft_export.graphs.weightless import BLEND_KEY, CONFIG_KEY, demo_graph, metadata, read_bare, with_weights
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
    """A graph, and how far it is from what it was made of."""

    model: onnx.ModelProto
    report: ParityReport | PrecisionReport


class GraphSource:
    """A checkpoint that is hashed and read once, however many graphs are made from it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    @cached_property
    def link(self) -> Link:
        """The first link of every chain that begins here."""
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
        """A proven graph with its weights inside: of the shipped structure where that fits, else exported by torch.

        Args:
            size: Side of the input in pixels.
            blend: As in `ExportOptions`.
            precision: One of `tuft_export.graphs.PRECISIONS`.

        Raises:
            PublishError: It needs torch or its tools, which are not installed.
            CheckpointError: The weights are missing or not the published ones.
            ParityError: The graph does not compute what the network computes.
        """
        model = self._shipped_graph(size, blend) or self.exported(size, blend).model
        return model if precision == "fp32" else in_precision(model, precision).model

    def exported(self, size: int, blend: bool | None, *, thorough: bool = False) -> ProvenGraph:
        """The network as torch exports it in float32, compared with torch.

        Args:
            size: Side of the input in pixels.
            blend: As in `ExportOptions`.
            thorough: At several batch sizes, not only at one.

        Raises:
            PublishError, CheckpointError, ParityError: As `graph`.
        """
        try:
            from tuft_export.graphs.onnx_from_torch import ExportOptions, onnx_from_torch
            from tuft_export.graphs.parity import BATCH_SIZES, parity_report
        except ImportError as exc:
            raise PublishError(f"Exporting needs torch: pip install 'tuft[export]' ({exc}).") from exc
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


# A photograph, and the two that normalisations have most trouble with.
_PROOF_PICTURES: Final = ("photograph", "grey", "one bright pixel")


def in_precision(model: onnx.ModelProto, precision: str, *, thorough: bool = False) -> ProvenGraph:
    """A float32 graph in half precision, compared with itself in float32.

    Args:
        model: In float32.
        precision: fp16 or bf16.
        thorough: On all of `tuft_export.sample_images.stress_pictures`, not on three of them.

    Raises:
        PublishError: The tools for it are not installed.
        ParityError: It is not good enough.
    """
    try:
        from tuft_export.graphs.precision import with_precision
        from tuft_export.graphs.precision_parity import precision_report
    except ImportError as exc:
        raise PublishError(f"Another precision than fp32 needs pip install 'tuft[export]' ({exc}).") from exc
    size = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    pictures = stress_pictures(size)
    chosen = pictures if thorough else {name: pictures[name] for name in _PROOF_PICTURES}
    halved = with_precision(model, precision)
    report = precision_report(model, halved, precision, chosen)
    report.require()
    return ProvenGraph(halved, report)
