"""The parity check detects networks that cannot be batched, and graphs that differ from the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from support import published
from support.adopted import adopted, configurations, in_onnxruntime
from support.published import SIZE

from tuft import contract
from tuft_export import adopt as adoption
from tuft_export.adopt.wrapping import wrapped
from tuft_export.errors import ParityError


@pytest.mark.parametrize(
    ("make", "changes", "said"),
    [
        (published.birefnet, {"shape": (1, 3, SIZE, SIZE)}, "takes single pictures only"),
        (published.batch_baked_in, {}, "its answers to batches are others"),
        (published.mixes_its_batch, {}, "its answers to batches are others"),
    ],
    ids=["fixed", "baked in", "mixed"],
)
def test_a_network_that_cannot_batch_is_served_singly_and_says_so(
    make: Callable[..., Path], changes: dict[str, Any], said: str, file: Path, target: Path,
    images: NDArray[np.uint8], capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    result = adopted(make(file, **changes), target, max_batch_size=8)
    assert result.max_batch_size == 1
    assert said in str(result)
    for name, config in configurations(result.folder.parent).items():
        assert config.max_batch_size == 1
        warmed = [] if name == "configs/python.pbtxt" else [1]
        assert [sample.batch_size for sample in config.model_warmup] == warmed
    assert in_onnxruntime(result.folder, images[:1]).shape == (1, SIZE, SIZE)
    assert capfd.readouterr() == ("", "")  # ONNX Runtime complains on its own otherwise


@pytest.mark.parametrize(("asked", "served"), [(None, contract.MODELS[384].max_batch_size), (5, 5), (40, 40)])
def test_the_largest_batch_is_tufts_own_or_the_one_asked_for(
    asked: int | None, served: int, file: Path, target: Path
) -> None:
    result = adopted(published.birefnet(file), target, max_batch_size=asked)
    assert result.max_batch_size == served
    configs = configurations(result.folder.parent)
    assert {file: config.max_batch_size for file, config in configs.items()} == {
        "config.pbtxt": served,
        "configs/onnxruntime.pbtxt": served,
        "configs/openvino.pbtxt": 1,
        "configs/python.pbtxt": served,
    }
    warmed = {file: [sample.batch_size for sample in config.model_warmup] for file, config in configs.items()}
    assert warmed["config.pbtxt"] == warmed["configs/onnxruntime.pbtxt"] == list(range(1, served + 1))
    assert (warmed["configs/openvino.pbtxt"], warmed["configs/python.pbtxt"]) == ([1], [])


def test_a_graph_that_is_not_the_network_is_not_published(
    file: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(*arguments: Any) -> onnx.ModelProto:
        model = wrapped(*arguments)
        (shift,) = [t for t in model.graph.initializer if t.name == "tuft/before/constant_1"]
        shift.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(shift) + np.float32(0.01), shift.name))
        return model

    published.birefnet(file)
    monkeypatch.setattr(adoption, "wrapped", spoilt)
    with pytest.raises(ParityError, match="nothing was written"):
        adopted(file, target)
    assert not (target / "tiny").exists()
