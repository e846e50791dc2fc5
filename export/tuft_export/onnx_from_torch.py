"""torch -> ONNX: static size, dynamic batch, weights that keep their names."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import onnx_ir as ir
import onnx_ir.passes.common as passes
import torch
from onnxscript.optimizer import fold_constants

from tuft import contract
from tuft_export.exportable import ServedNetwork
from tuft_export.graphs import BLEND_KEY, CONFIG_KEY

if TYPE_CHECKING:
    import onnx

    from tuft_export.inspyrenet import InSPyReNet

OPSET: Final = 20  # LayerNormalization (17) and Gelu (20) as single operators

_CLEAN_UP: Final = ir.passes.Sequential(
    passes.IdentityEliminationPass(),
    passes.RemoveUnusedNodesPass(),
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
    passes.DeduplicateInitializersPass(),
    passes.CommonSubexpressionEliminationPass(),
    passes.RemoveUnusedNodesPass(),
)

# torch.export takes a batch of 0 or 1 for a constant.
_EXAMPLE_BATCH = 2


@dataclass(frozen=True)
class ExportOptions:
    """What is exported.

    Attributes:
        size: Side of the square input in pixels, a multiple of 32.
        blend: Pyramid blending; None blends wherever `size` exceeds the network's base size, where a plain pass
            would see the picture at a scale it was not trained for.
    """

    size: int
    blend: bool | None = None

    def blends(self, base_size: int) -> bool:
        """Whether a network of this base size is blended."""
        return self.size > base_size if self.blend is None else self.blend


def onnx_from_torch(network: InSPyReNet, options: ExportOptions) -> onnx.ModelProto:
    """Exports a network for serving, as `tuft.contract` describes it.

    Args:
        network: In evaluation mode.
        options: Size and blending.

    Returns:
        The graph with its weights inside, in initializers named `network.<state-dict key>`.
    """
    blend = options.blends(network.config.base_size)
    model = _exported(ServedNetwork(network, blend=blend).eval(), options.size)
    _fold_shapes(model, {f"network.{key}" for key in network.state_dict()})
    model.metadata_props[CONFIG_KEY] = json.dumps(network.config.to_dict())
    model.metadata_props[BLEND_KEY] = json.dumps(blend)
    _forget_origins(model)
    return ir.to_proto(model)


def _exported(served: ServedNetwork, size: int) -> ir.Model:
    example = torch.zeros((_EXAMPLE_BATCH, size, size, contract.CHANNELS), dtype=torch.uint8)
    batch = torch.export.Dim("n", min=1, max=1024)
    with _quiet():
        program = torch.onnx.export(
            served,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=({0: batch},),
            input_names=[contract.INPUT_NAME],
            output_names=[contract.OUTPUT_NAME],
            optimize=False,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return program.model


def _fold_shapes(model: ir.Model, weight_names: set[str]) -> None:
    """Folds all arithmetic on shapes and constants, but not into the weights.

    The weights sit among the inputs meanwhile: a folded weight would no longer have the checkpoint's name, and the
    runtimes fold transposes and batch norms themselves when they load the graph.
    """
    graph = model.graph
    weights = [value for name, value in graph.initializers.items() if name in weight_names]
    constants = [value.const_value for value in weights]
    for value in weights:
        del graph.initializers[str(value.name)]
        value.const_value = None
        graph.inputs.append(value)
    # Not the optimizer's rewrite rules: they take a minute for what the runtimes do again when they load the graph.
    passes.InlinePass()(model)
    fold_constants(model, onnx_shape_inference=True)
    _CLEAN_UP(model)
    del graph.inputs[-len(weights) :]
    for value, constant in zip(weights, constants, strict=True):
        if value.uses():
            value.const_value = constant
            graph.initializers.add(value)


def _forget_origins(model: ir.Model) -> None:
    """Drops what the exporter notes about source lines: most of the file, and nobody's business."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    model.graph.metadata_props.clear()


@contextlib.contextmanager
def _quiet() -> Any:
    """The exporter talks through three channels; its failures still come as exceptions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
