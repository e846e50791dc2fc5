"""An adopted version is complete or absent, and its provenance passes verification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import published
from support.adopted import adopted, configurations, in_onnxruntime, in_openvino
from support.outputs import files
from support.published import SIZE, imagenet, logits, sigmoid
from support.tiny import PYTHON_MODEL

from tuft.provenance import check_model
from tuft_export.adopt import wrapping
from tuft_export.adopt.configuration import FILES
from tuft_export.errors import AdoptError, ParityError

RUNTIME_FILES = sorted(
    f"1/tuft_runtime/{path.name}"
    for path in PYTHON_MODEL.parent.glob("*.py")
    if not path.name.startswith("model")  # the entries
)


def test_a_version_is_complete_and_its_provenance_is_accepted(file: Path, target: Path) -> None:
    result = adopted(published.birefnet(file), target, name="birefnet_96")
    assert result.folder == target / "birefnet_96" / "1"
    assert [file for file in files(target / "birefnet_96") if not file.endswith("__pycache__")] == [
        "1/model.onnx", "1/model.py", "1/provenance.json", *RUNTIME_FILES, "config.pbtxt", "configs/onnxruntime.pbtxt",
        "configs/openvino.pbtxt", "configs/python.pbtxt", "warmup/image",
    ]  # fmt: skip
    assert (target / "birefnet_96" / "warmup" / "image").stat().st_size == SIZE * SIZE * 3
    (record,) = check_model(target / "birefnet_96")
    origin, graph = record.chain
    assert (origin["kind"], origin["name"], graph["kind"]) == ("model", "published.onnx", "onnx")
    assert graph["from"] == origin["sha256"]
    assert graph["adopted"]["normalize"] == "imagenet"
    assert (graph["size"], graph["opset"], graph["precision"]) == (SIZE, 17, "fp32")
    proof = json.loads((result.folder / "provenance.json").read_text())["proof"]
    assert proof["equal"] is proof["batches_agree"] is True


def test_another_runtime_needs_no_model_py(file: Path, target: Path) -> None:
    result = adopted(published.birefnet(file), target, runtime="onnxruntime")
    assert "model.py" not in files(result.folder)
    check_model(result.folder.parent)


def test_two_versions_lie_side_by_side(file: Path, target: Path) -> None:
    published.birefnet(file)
    adopted(file, target)
    adopted(file, target, version="2", max_batch_size=3)
    assert [record.version for record in check_model(target / "tiny")] == ["1", "2"]
    adopted(file, target, version="1")
    assert len(check_model(target / "tiny")) == 2


@pytest.mark.parametrize("options", [{}, {"resize": "dynamic"}], ids=["by default", "as told"])
def test_every_configuration_tells_how_the_network_was_trained(
    file: Path, target: Path, options: dict[str, Any]
) -> None:
    adopted(published.birefnet(file), target, **options)
    found = {
        name: config.parameters["tuft_resize"].string_value for name, config in configurations(target / "tiny").items()
    }
    assert found == dict.fromkeys(FILES, options.get("resize", "static"))


def test_versions_of_two_resize_modes_are_two_models(file: Path, target: Path) -> None:
    published.birefnet(file)
    adopted(file, target)
    with pytest.raises(AdoptError, match=r"holds version 1 of another resize mode than dynamic.*choose another --name"):
        adopted(file, target, resize="dynamic", version="2")
    adopted(file, target, resize="dynamic")


def test_versions_of_two_sizes_are_two_models(file: Path, target: Path) -> None:
    published.birefnet(file, shape=("n", 3, "h", "w"))
    adopted(file, target, size=SIZE)
    before = files(target)
    with pytest.raises(AdoptError, match=r"holds version 1 of another size than 64 pixels.*choose another --name"):
        adopted(file, target, size=64, version="2")
    assert files(target) == before
    assert adopted(file, target, size=64).size == 64  # the only version may be replaced


def test_somebodys_own_folder_is_not_overwritten(file: Path, target: Path) -> None:
    (target / "tiny").mkdir()
    (target / "tiny" / "config.pbtxt").write_text("mine")
    published.birefnet(file)
    with pytest.raises(AdoptError, match="is there already and was not adopted: choose another --name"):
        adopted(file, target)
    assert files(target / "tiny") == ["config.pbtxt"]
    assert (target / "tiny" / "config.pbtxt").read_text() == "mine"


def test_weights_in_files_of_their_own_are_found_and_remembered(
    file: Path, target: Path, images: NDArray[np.uint8]
) -> None:
    published.birefnet(file, save_as_external_data=True, location="published.data", size_threshold=0)
    result = adopted(file, target)
    np.testing.assert_allclose(
        in_onnxruntime(result.folder, images), sigmoid(logits(imagenet(images)))[:, 0], atol=1e-5
    )
    (record,) = check_model(target / "tiny")
    assert list(record.chain[0]["weights"]) == ["published.data"]


def test_weights_too_large_for_one_file_lie_beside_the_graph(
    file: Path, target: Path, images: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrapping, "LARGEST_FILE_BYTES", 10)
    monkeypatch.setattr(wrapping, "SMALLEST_OUTSIDE_BYTES", 0)
    result = adopted(published.birefnet(file), target)
    assert "model.onnx.data" in files(result.folder)
    expected = sigmoid(logits(imagenet(images)))[:, 0]
    np.testing.assert_allclose(in_onnxruntime(result.folder, images), expected, atol=1e-5)
    np.testing.assert_allclose(in_openvino(result.folder, images), expected, atol=1e-5)
    assert "model.onnx.data" in check_model(target / "tiny")[0].files


def test_a_failure_leaves_the_old_version(file: Path, target: Path) -> None:
    result = adopted(published.birefnet(file), target)
    before = {path: path.read_bytes() for path in result.folder.parent.rglob("*") if path.is_file()}
    published.constant(file)
    with pytest.raises(ParityError):
        adopted(file, target)
    assert {path: path.read_bytes() for path in result.folder.parent.rglob("*") if path.is_file()} == before
