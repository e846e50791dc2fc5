"""The matting stage's graph: the network, in every precision, published for every runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from onnx import numpy_helper

from tuft import contract
from tuft.provenance import check_repository
from tuft_export.errors import CheckpointError, ParityError
from tuft_export.matting import checkpoints, graph
from tuft_export.matting.architecture import MattingConfig
from tuft_export.matting.network import MattingNetwork, ServedMatting
from tuft_export.publishing.publish import PublishOptions, publish_matting

if TYPE_CHECKING:
    from pathlib import Path

    import onnx


@pytest.fixture(scope="module")
def shipped() -> onnx.ModelProto:
    return graph.shipped_graph()


def test_what_ships_is_the_network_and_small(shipped: onnx.ModelProto) -> None:
    graph.require_parity(shipped, checkpoints.load_matting())
    assert checkpoints.SHIPPED.stat().st_size + graph.STRUCTURE.stat().st_size < 6e6
    assert sum(p.numel() for p in checkpoints.load_matting().parameters()) < 3e6


def test_the_stage_changes_what_it_is_given(shipped: onnx.ModelProto) -> None:
    tiles = graph.sample_tiles()
    refined = tiles[..., contract.MATTING_PLANES.index("refined")]
    assert np.abs(graph.run(shipped, tiles)[..., 0].astype(int) - refined).mean() > 1


def test_another_network_is_exported_and_told_from_the_first(shipped: onnx.ModelProto) -> None:
    torch.manual_seed(0)
    network = MattingNetwork(MattingConfig(widths=(8, 16, 16, 16), head=8)).eval()
    torch.nn.init.normal_(network.last.weight, std=0.3)
    graph.require_parity(graph.exported_graph(network), network)
    with pytest.raises(ParityError, match="not the network"):
        graph.require_parity(shipped, network)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_is_proven_with_every_rounding(shipped: onnx.ModelProto, precision: str) -> None:
    halved = graph.in_precision(shipped, precision)
    assert {tensor.data_type for tensor in halved.graph.initializer} & {10, 16}
    assert halved.graph.output[0].type.tensor_type.elem_type == 2  # uint8


def test_a_graph_that_does_not_survive_is_refused(shipped: onnx.ModelProto) -> None:
    wild = type(shipped)()
    wild.CopyFrom(shipped)
    for tensor in wild.graph.initializer:
        if tensor.name.endswith("stem.0.weight"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 1e5, tensor.name))
    with pytest.raises(ParityError, match="fp16"):
        graph.in_precision(wild, "fp16")


@pytest.mark.parametrize("runtime", ["python", "tensorrt"])
def test_it_is_published_with_its_provenance(tmp_path: Path, runtime: str) -> None:
    folder = publish_matting(PublishOptions(tmp_path, runtime=runtime))
    assert folder == tmp_path / contract.MATTING_MODEL / "1"
    assert (folder / "model.py").exists() is (runtime == "python")
    (record,) = check_repository(tmp_path)
    assert [link["kind"] for link in record.chain] == ["checkpoint", "onnx"]
    planes = tmp_path / contract.MATTING_MODEL / "warmup" / "planes"
    assert planes.stat().st_size == contract.MATTING_TILE**2 * len(contract.MATTING_PLANES)


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "matting.safetensors"
    damaged.write_bytes(checkpoints.SHIPPED.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="install tuft again"):
        checkpoints.read_weights(damaged)
    monkeypatch.setattr(checkpoints, "SHIPPED", damaged)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoints.shipped_link()


def test_saved_weights_are_read_again(tmp_path: Path) -> None:
    network = MattingNetwork(MattingConfig(widths=(8, 8, 8, 8), head=8)).eval()
    checkpoints.save_matting(network, tmp_path / "small.safetensors")
    again = checkpoints.load_matting(tmp_path / "small.safetensors")
    assert again.config == network.config
    tiles = torch.from_numpy(graph.sample_tiles())
    difference = ServedMatting(again)(tiles).int() - ServedMatting(network)(tiles).int()
    assert int(difference.abs().max()) <= 1
