"""SAM 2.1 exported, proved and published: the real architecture in miniature, with transformers as the oracle."""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from support.sam2 import BACKBONE, CHANNELS, miniature

from tuft import contract, provenance
from tuft_export.checkpoints import Checkpoint
from tuft_export.cli.main import main
from tuft_export.errors import CheckpointError, ParityError
from tuft_export.sam2.graphs import Sam2Graphs
from tuft_export.sam2.parity import PROMPTS, check_interfaces, prove
from tuft_export.sam2.weights import WEIGHTS, Sam2Weights, load_folder, load_model

if TYPE_CHECKING:
    from collections.abc import Iterator


def graphs(repository: Path) -> Sam2Graphs:
    return Sam2Graphs(*(onnx.load(repository / name / "1" / "model.onnx") for name in contract.PROMPT_MODELS))


def test_both_graphs_are_published_with_their_history(sam2_repository: Path, sam2_folder: Path) -> None:
    records = provenance.check_repository(sam2_repository)
    assert [record.model for record in records] == ["sam2_decoder", "sam2_encoder"]
    for record in records:
        assert [link["kind"] for link in record.chain] == ["checkpoint", "onnx"]
        assert record.chain[0]["name"] == sam2_folder.name
        assert record.chain[1]["network"]["sam2"]["embed_dim_per_stage"] == BACKBONE["embed_dim_per_stage"]
        options = json.loads((sam2_repository / record.model / "1" / "provenance.json").read_text())["options"]
        assert options["proof"]["equal"]
        assert len(options["proof"]["differences"]) == 22
    assert main(["verify", "--repository", str(sam2_repository)]) == 0
    assert (sam2_repository / "sam2_encoder" / "configs" / "python.pbtxt").is_file()


def test_a_graph_that_computes_something_else_is_found(sam2_repository: Path, sam2_folder: Path) -> None:
    model = load_folder(sam2_folder)
    other = graphs(sam2_repository)
    for graph in other:
        weight = next(
            tensor
            for tensor in graph.graph.initializer
            if len(tensor.dims) == 4 and ("patch_embed" in tensor.name or "upscale_conv1" in tensor.name)
        )
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.1), weight.name))
    proof = prove(other, model, {"one point": PROMPTS["one point"]})
    assert not proof
    wrong = {difference.what.partition(",")[0] for difference in proof.differences if not difference}
    assert wrong >= {*contract.EMBEDDING_NAMES, contract.MASKS_NAME}
    with pytest.raises(ParityError, match="nothing was written"):
        proof.require()


def test_another_interface_is_refused(sam2_repository: Path) -> None:
    swapped = Sam2Graphs(*reversed(graphs(sam2_repository)))
    with pytest.raises(ParityError, match="takes and gives"):
        check_interfaces(swapped)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that is served over HTTP, and its address."""
    folder = tmp_path / "hub"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def row(address: str) -> Sam2Weights:
    url = f"{address}/model.safetensors"
    checkpoint = Checkpoint("mini", "mini.safetensors", url, None, None, None, None, "Apache-2.0")
    return Sam2Weights("mini", checkpoint, BACKBONE, CHANNELS)


def test_published_video_weights_are_pulled_verified_and_loaded(
    hub: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project publishes the weights of its video network, which contains the image network."""
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    folder, address = hub
    published = miniature(seed=5, video=True)
    published.save_pretrained(folder)
    loaded = load_model(row(address), progress=False)
    assert {name for name, _ in loaded.named_parameters()} <= {name for name, _ in published.named_parameters()}
    for name, parameter in loaded.state_dict().items():
        assert torch.equal(parameter, published.state_dict()[name]), name
    # Once here it is not fetched again, and a file that changes is found.
    (folder / "model.safetensors").unlink()
    load_model(row(address), progress=False)
    kept = row(address).checkpoint.path
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    with pytest.raises(CheckpointError, match="has changed since it was downloaded"):
        load_model(row(address), progress=False)


def test_what_holds_no_such_network_is_refused(sam2_folder: Path, tmp_path: Path, capsys: Any) -> None:
    assert main(["sam2", "--weights", "huge", "--repository", str(tmp_path)]) == 1
    assert "There are no weights 'huge': give tiny, small, base-plus, large, or a folder." in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no network that transformers reads as SAM 2"):
        load_folder(tmp_path / "empty")
    other = tmp_path / "other"
    other.mkdir()
    config = json.loads((sam2_folder / "config.json").read_text())
    config["vision_config"]["backbone_config"]["blocks_per_stage"] = [1, 1, 3, 1]
    (other / "config.json").write_text(json.dumps(config))
    (other / "model.safetensors").symlink_to(sam2_folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="holds the weights of another network"):
        load_folder(other)
    assert main(["sam2", "--weights", str(other), "--repository", str(tmp_path / "none")]) == 1
    assert not (tmp_path / "none").exists()


# In millions, as facebookresearch/sam2 publishes them for the whole video network.
PUBLISHED_SIZES = {"tiny": 38.9, "small": 46.0, "base-plus": 80.8, "large": 224.4}


@pytest.mark.parametrize("name", WEIGHTS)
def test_architectures_have_as_many_parameters_as_their_authors_say(name: str) -> None:
    import transformers

    vision = WEIGHTS[name].config().vision_config.to_dict()
    with torch.device("meta"):
        model = transformers.Sam2VideoModel(transformers.Sam2VideoConfig(vision_config=vision))
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert millions == pytest.approx(PUBLISHED_SIZES[name], abs=0.11)
