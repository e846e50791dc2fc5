"""The matting stage as an ONNX graph: exported, proven, shipped without its weights, and joined with them again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from tuft import contract
from tuft_export.errors import ParityError, PublishError
from tuft_export.graph_metadata import CONFIG_KEY, metadata
from tuft_export.graphs.weightless import read_bare, with_weights
from tuft_export.matting.checkpoints import SHIPPED, read_weights

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    from tuft_export.matting.network import MattingNetwork

# The structure that ships beside the weights.
STRUCTURE: Final = Path(__file__).with_name("graph.onnx")
# Largest difference from torch in levels of 255: rounding to the nearest level may fall on either side.
TOLERANCE_LEVELS: Final = 1
# Mean difference in levels that half precision may make: fp16 a twentieth of a level, bf16 eight times as much.
HALF_TOLERANCES: Final = {"fp16": 0.05, "bf16": 0.4}


def shipped_graph(precision: str = "fp32") -> onnx.ModelProto:
    """The graph with the weights that ship with tuft; needs no torch in fp32.

    Args:
        precision: One of `tuft_export.graph_metadata.PRECISIONS`.

    Raises:
        CheckpointError: The weights are missing or damaged.
        PublishError: Another precision needs tools that are not installed.
        ParityError: The graph does not survive the precision.
    """
    bare = read_bare(STRUCTURE)
    weights = read_weights(SHIPPED)
    if json.loads(metadata(bare)[CONFIG_KEY]) != json.loads(json.dumps(asdict(weights.config))):
        raise PublishError("The matting stage's graph and weights are of different networks: install tuft again.")
    model = with_weights(bare, weights.arrays)
    return model if precision == "fp32" else in_precision(model, precision)


def exported_graph(network: MattingNetwork) -> onnx.ModelProto:
    """The network exported by torch for tiles of the contract's size, compared with torch.

    Raises:
        ParityError: The graph does not compute the same as the network.
    """
    import onnx_ir as ir
    import torch

    from tuft_export.graphs.onnx_from_torch import OPSET, quiet
    from tuft_export.graphs.simplify import simplify
    from tuft_export.matting.network import ServedMatting

    side = contract.MATTING_TILE
    example = torch.zeros((2, side, side, network.config.inputs), dtype=torch.uint8)
    with quiet():
        program = torch.onnx.export(
            ServedMatting(network).eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("n", min=1, max=1024)},),
            input_names=[contract.MATTING_INPUT_NAME],
            output_names=[contract.MATTING_OUTPUT_NAME],
            optimize=False,
            external_data=False,
            verbose=False,
        )
        assert program is not None
        simplify(program.model, {f"network.{key}" for key in network.state_dict()})
    program.model.metadata_props[CONFIG_KEY] = json.dumps(asdict(network.config))
    model = ir.to_proto(program.model)
    require_parity(model, network)
    return model


def require_parity(model: onnx.ModelProto, network: MattingNetwork) -> None:
    """Compares a graph with its network, on tiles of several kinds, alone and in batches.

    Raises:
        ParityError: Names, types or axes differ from the contract, or a level by more than `TOLERANCE_LEVELS`.
    """
    import torch

    from tuft_export.matting.network import ServedMatting

    _require_interface(model)
    tiles = sample_tiles()
    with torch.no_grad():
        expected = ServedMatting(network).eval()(torch.from_numpy(tiles)).numpy()
    for batch in (1, 2, len(tiles)):
        given = np.concatenate([run(model, tiles[i : i + batch]) for i in range(0, len(tiles), batch)])
        worst = int(np.abs(given.astype(int) - expected).max())
        if worst > TOLERANCE_LEVELS or expected.std() < 1:
            raise ParityError(
                f"The exported matting stage is not the network: {worst} levels off, nothing was written."
            )


def in_precision(model: onnx.ModelProto, precision: str) -> onnx.ModelProto:
    """Converts the graph to half precision, and compares the two where every rounding is applied.

    Raises:
        PublishError: The tools for it are not installed.
        ParityError: The result is outside the tolerance.
    """
    try:
        from tuft_export.graphs.precision import Island, rounded, with_precision
    except ImportError as exc:
        raise PublishError(f"Another precision than fp32 needs pip install 'tuft-matting[export]' ({exc}).") from exc
    island = Island(r"^(?!network\.).*/|^network/|^network\.last/", "logits and alpha itself: what is rounded is seen")
    halved = with_precision(model, precision, (island,))
    tiles = sample_tiles()
    off = np.abs(run(rounded(halved), tiles).astype(int) - run(model, tiles)).mean()
    if not off <= HALF_TOLERANCES[precision]:
        raise ParityError(f"The matting stage does not survive {precision}: {off:.2f} levels off on average.")
    return halved


def run(model: onnx.ModelProto, tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Alpha of tiles, uint8 [n, T, T, 1], by ONNX Runtime on the CPU."""
    from tuft_export.parity.ort_session import OrtSession

    return OrtSession(model).run(contract.MATTING_OUTPUT_NAME, contract.MATTING_INPUT_NAME, tiles)


def sample_tiles() -> NDArray[np.uint8]:
    """Tiles of a photograph with a soft edge, of noise, and constant ones: uint8 [5, T, T, 9]."""
    from tuft_export.sample_images import sample_pictures

    side, planes = contract.MATTING_TILE, len(contract.MATTING_PLANES)
    noise = np.random.default_rng(0).integers(0, 256, (side, side, planes), np.uint8)
    tiles = [noise, np.zeros_like(noise), np.full_like(noise, 255)]
    ramp = np.clip(np.linspace(-1, 2, side), 0, 1)
    for picture in sample_pictures(side, 2):
        alpha = np.rint(255 * np.tile(ramp, (side, 1))).astype(np.uint8)
        tiles.append(np.dstack([picture, *[alpha] * (planes - 3)]))
    return np.stack(tiles)


def _require_interface(model: onnx.ModelProto) -> None:
    from onnx import TensorProto

    def told(value: onnx.ValueInfoProto) -> tuple[object, ...]:
        tensor = value.type.tensor_type
        return (value.name, tensor.elem_type, *(axis.dim_param or axis.dim_value for axis in tensor.shape.dim))

    side = contract.MATTING_TILE
    expected = [
        (contract.MATTING_INPUT_NAME, TensorProto.UINT8, "n", side, side, len(contract.MATTING_PLANES)),
        (contract.MATTING_OUTPUT_NAME, TensorProto.UINT8, "n", side, side, 1),
    ]
    given = [told(value) for value in (*model.graph.input, *model.graph.output)]
    if given != expected:
        raise ParityError(f"The matting stage's tensors are {given} instead of {expected}: export it again.")


def main() -> None:
    """Writes the structure that ships: `python -m tuft_export.matting.graph`, after changes to the network's code."""
    from tuft_export.graphs.weightless import without_weights
    from tuft_export.matting.checkpoints import load_matting

    network = load_matting()
    bare = without_weights(exported_graph(network), set(network.state_dict()))
    STRUCTURE.write_bytes(bare.SerializeToString())


if __name__ == "__main__":
    main()
