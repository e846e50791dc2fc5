"""SAM 2.1 -> ONNX: two graphs of static size and dynamic batch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import onnx_ir as ir
import torch

from tuft import contract
from tuft_export.graph_metadata import CONFIG_KEY
from tuft_export.graphs.onnx_from_torch import OPSET, quiet
from tuft_export.graphs.simplify import simplify
from tuft_export.sam2.exportable import ServedDecoder, ServedEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx
    from torch import Tensor, nn
    from transformers import Sam2Model

# torch.export treats a batch of 0 or 1 as constant.
_EXAMPLE_BATCH: Final = 2
_EXAMPLE_POINTS: Final = 3
DECODER_INPUTS: Final = (*contract.EMBEDDING_NAMES, contract.POINTS_NAME, contract.LABELS_NAME)
DECODER_OUTPUTS: Final = (contract.MASKS_NAME, contract.SCORES_NAME)


class Sam2Graphs(NamedTuple):
    """The two graphs of one network."""

    encoder: onnx.ModelProto
    decoder: onnx.ModelProto


def graphs_of(model: Sam2Model) -> Sam2Graphs:
    """Exports a network for serving, as `tuft.contract` describes it.

    Args:
        model: In evaluation mode.
    """
    batch, points = torch.export.Dim("n", min=1, max=1024), torch.export.Dim("p", min=1, max=1024)
    picture = torch.zeros(
        (_EXAMPLE_BATCH, contract.PROMPT_SIZE, contract.PROMPT_SIZE, contract.CHANNELS), dtype=torch.uint8
    )
    embeddings = [torch.zeros((_EXAMPLE_BATCH, *shape), dtype=torch.float16) for shape in contract.EMBEDDING_SHAPES]
    xy = torch.zeros((_EXAMPLE_BATCH, _EXAMPLE_POINTS, 2))
    labels = torch.ones((_EXAMPLE_BATCH, _EXAMPLE_POINTS), dtype=torch.int32)
    encoder = _exported(ServedEncoder(model), [picture], [{0: batch}], [contract.INPUT_NAME], contract.EMBEDDING_NAMES)
    axes = [{0: batch}] * 3 + [{0: batch, 1: points}] * 2
    decoder = _exported(ServedDecoder(model), [*embeddings, xy, labels], axes, DECODER_INPUTS, DECODER_OUTPUTS)
    config = json.dumps({"sam2": _plain(model.config.vision_config.backbone_config.to_dict())})
    for graph in (encoder, decoder):
        graph.metadata_props[CONFIG_KEY] = config
    return Sam2Graphs(ir.to_proto(encoder), ir.to_proto(decoder))


def _exported(
    served: nn.Module,
    example: Sequence[Tensor],
    axes: Sequence[dict[int, Any]],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> ir.Model:
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            served.eval(),
            tuple(example),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=tuple(axes),
            input_names=list(inputs),
            output_names=list(outputs),
            optimize=False,
            external_data=False,
            verbose=False,
        )
        assert program is not None
        simplify(program.model, served.state_dict().keys())
    return program.model


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """The numbers that tell one architecture from another."""
    names = ("hidden_size", "blocks_per_stage", "embed_dim_per_stage", "global_attention_blocks")
    return {name: config[name] for name in names}
