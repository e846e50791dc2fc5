"""torch -> ONNX, with static size, dynamic batch, and weights and nodes named as in the network."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import onnx_ir as ir
import torch

from tuft import contract
from tuft_export.graph_metadata import BLEND_KEY, CONFIG_KEY
from tuft_export.graphs.exportable import ServedNetwork
from tuft_export.graphs.full_resolution import name_full_resolution_stage
from tuft_export.graphs.simplify import simplify

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

    from tuft_export.inspyrenet import InSPyReNet

OPSET: Final = 20  # LayerNormalization (17) and Gelu (20) as single operators

# torch.export treats a batch of 0 or 1 as constant.
_EXAMPLE_BATCH = 2


@dataclass(frozen=True)
class ExportOptions:
    """Options of an export.

    Attributes:
        size: Side of the square input in pixels, a multiple of 32.
        blend: Pyramid blending; None blends where `size` exceeds the network's base size, because a plain pass would
            see the image at a scale that it was not trained for.
    """

    size: int
    blend: bool | None = None

    def blends(self, base_size: int) -> bool:
        """Whether a network of this base size is exported with blending."""
        return self.size > base_size if self.blend is None else self.blend


def onnx_from_torch(network: InSPyReNet, options: ExportOptions) -> onnx.ModelProto:
    """Exports a network for serving, as `tuft.contract` describes it.

    Args:
        network: In evaluation mode.
        options: Size and blending.

    Returns:
        The graph with its weights in initializers named `network.<state-dict key>`.
    """
    blend = options.blends(network.config.base_size)
    with quiet():
        model = _exported(ServedNetwork(network, blend=blend).eval(), options.size)
        simplify(model, {f"network.{key}" for key in network.state_dict()})
        name_full_resolution_stage(model)
    model.metadata_props[CONFIG_KEY] = json.dumps(network.config.to_dict())
    model.metadata_props[BLEND_KEY] = json.dumps(blend)
    return ir.to_proto(model)


def _exported(served: ServedNetwork, size: int) -> ir.Model:
    example = torch.zeros((_EXAMPLE_BATCH, size, size, contract.CHANNELS), dtype=torch.uint8)
    batch = torch.export.Dim("n", min=1, max=1024)
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences the exporter's warnings, logs and prints; its failures are exceptions."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
