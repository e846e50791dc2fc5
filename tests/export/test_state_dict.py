"""State dicts as users have them: those of other trainings fit, those of other networks are refused."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tuft_export.errors import CheckpointError
from tuft_export.inspyrenet import InSPyReNet
from tuft_export.state_dict import load_state, read_state_dict

REMEDY = "give another file"


@pytest.fixture
def state(tiny_network: InSPyReNet) -> dict[str, Tensor]:
    return dict(tiny_network.state_dict())


@pytest.fixture
def fresh(tiny_network: InSPyReNet) -> InSPyReNet:
    """Of the same shape, with other weights."""
    return InSPyReNet(tiny_network.config)


def without(ending: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda state: {key: value for key, value in state.items() if not key.endswith(ending)}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(dict, id="plain"),
        pytest.param(lambda state: {f"module.{key}": value for key, value in state.items()}, id="several GPUs"),
        pytest.param(without("relative_position_index"), id="without derived buffers"),
        pytest.param(
            lambda state: {**state, "backbone.layers.0.blocks.1.attn_mask": torch.zeros(4, 16, 16)}, id="with masks"
        ),
        pytest.param(without("num_batches_tracked"), id="of an old torch"),
    ],
)
def test_what_other_trainings_write_is_the_same_network(
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    state: dict[str, Tensor],
    fresh: InSPyReNet,
    tmp_path: Path,
) -> None:
    torch.save(change(state), tmp_path / "latest.pth")
    assert load_state(fresh, read_state_dict(tmp_path / "latest.pth", REMEDY)) is None
    for key, value in fresh.state_dict().items():
        assert torch.equal(value, state[key]) or key.endswith("num_batches_tracked"), key


def test_half_precision_becomes_float32(state: dict[str, Tensor], fresh: InSPyReNet) -> None:
    halves = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    assert load_state(fresh, halves) is None
    key = "decoder.conv5.conv.weight"
    assert fresh.state_dict()[key].dtype == torch.float32
    assert torch.equal(fresh.state_dict()[key], state[key].half().float())


@pytest.mark.parametrize(
    ("change", "misfit"),
    [
        (without("decoder.conv5.conv.weight"), "decoder.conv5.conv.weight is missing"),
        (lambda state: {**state, "head.weight": torch.zeros(3)}, "head.weight is not of this network"),
        (
            lambda state: {**state, "decoder.conv5.conv.weight": torch.zeros(1, 2, 3, 3)},
            r"decoder.conv5.conv.weight has the shape [1, 2, 3, 3] instead of [",
        ),
        (lambda _: {}, "attention0."),
    ],
)
def test_weights_of_another_network_are_named_and_none_is_loaded(
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]], misfit: str, state: dict[str, Tensor], fresh: InSPyReNet
) -> None:
    before = {key: value.clone() for key, value in fresh.state_dict().items()}
    assert misfit in (load_state(fresh, change(state)) or "")
    assert all(torch.equal(value, before[key]) for key, value in fresh.state_dict().items())


class RunsCode:
    """The content of a malicious pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    for save in (torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))):
        save({"weight": RunsCode(tmp_path / "ran")}, tmp_path / "latest.pth")
        with pytest.raises(CheckpointError, match=f"not a readable checkpoint: {REMEDY}"):
            read_state_dict(tmp_path / "latest.pth", REMEDY)
        assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"epoch": 3, "optimizer": {"state": {}}}, "something else than the weights of one network"),
        ([torch.zeros(3)], "something else than the weights of one network"),
        (torch.zeros(3), "something else than the weights of one network"),
    ],
)
def test_what_is_no_state_dict_is_one_sentence(tmp_path: Path, content: object, what: str) -> None:
    """`state.pth`, which lies beside `latest.pth`, holds an epoch and an optimizer."""
    torch.save(content, tmp_path / "state.pth")
    with pytest.raises(CheckpointError, match=f"state.pth holds {what}: {REMEDY}"):
        read_state_dict(tmp_path / "state.pth", REMEDY)


def test_a_damaged_file_is_one_sentence(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "latest.pth"
    torch.save(state, path)
    content = path.read_bytes()
    for damaged in (b"", b"no pickle at all", content[: len(content) // 2], content[100:], b"\x80\x02" + bytes(100)):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=f"latest.pth is not a readable checkpoint: {REMEDY}") as failure:
            read_state_dict(path, REMEDY)
        assert "\n" not in str(failure.value)
