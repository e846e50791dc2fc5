"""Repositories for benchmarks can be served, and have the requested parameters."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from _lib import published as repositories
from _lib.published import (
    parameters_from_text,
    published_checkpoint,
    reference_network,
    reference_remover,
    repository_from_checkpoint,
)
from google.protobuf import text_format
from support.tiny import PYTHON_MODEL
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tuft.provenance import check_model
from tuft_export.architecture import SWIN_B
from tuft_export.checkpoints import CHECKPOINTS, checkpoint_from_name, load_network


def parameters(repository: Path) -> dict[str, str]:
    text = (repository / "inspyrenet_384" / "configs" / "python.pbtxt").read_text()
    parsed = text_format.Parse(text, ModelConfig()).parameters
    return {name: parsed[name].string_value for name in parsed}


def test_a_repository_has_the_parameters_and_is_sealed(tmp_path: Path) -> None:
    plain = repository_from_checkpoint(CHECKPOINTS["demo"], tmp_path, (384,))
    changed = repository_from_checkpoint(CHECKPOINTS["demo"], tmp_path, (384,), precision="bf16")
    assert parameters(changed) == parameters(plain) | {"precision": "bf16"}
    for repository in (plain, changed):
        check_model(repository / "inspyrenet_384")
        assert (repository / "inspyrenet_384" / "1" / "model.py").read_text() == PYTHON_MODEL.read_text()


def test_an_export_is_used_again_until_the_code_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[tuple[int, ...]] = []
    publish = repositories.publish
    monkeypatch.setattr(
        repositories, "publish", lambda c, options: (published.append(options.sizes), publish(c, options))
    )
    for _ in range(2):
        repository_from_checkpoint(CHECKPOINTS["demo"], tmp_path, (384,))
    assert published == [(384,), ()]
    monkeypatch.setattr(repositories, "fingerprint", lambda _: "another")
    repository_from_checkpoint(CHECKPOINTS["demo"], tmp_path, (384,))
    assert published == [(384,), (), (384,)]


def test_a_parameter_that_nobody_reads_leaves_nothing_behind(tmp_path: Path) -> None:
    repository_from_checkpoint(CHECKPOINTS["demo"], tmp_path, (384,))
    with pytest.raises(SystemExit, match=r"no parameter 'precison': choose one of .*precision"):
        repository_from_checkpoint(CHECKPOINTS["demo"], tmp_path, (384,), precison="bf16")
    assert [path.name for path in tmp_path.iterdir() if "served" in path.name] == ["served-demo"]


def test_parameters_are_read_from_text() -> None:
    assert parameters_from_text(["precision=bf16", "a=b=c"]) == {"precision": "bf16", "a": "b=c"}
    with pytest.raises(SystemExit, match="write it as NAME=VALUE"):
        parameters_from_text(["bf16"])


@pytest.mark.slow
def test_the_published_shape_is_taken_by_both_and_means_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our network and the reference's own, from one file. The saliency varies, so that equality is meaningful."""
    import torch

    monkeypatch.setenv("TRANSPARENT_BACKGROUND_FILE_PATH", str(tmp_path))
    with monkeypatch.context() as calibration:  # the saliency varies as much, in a twentieth of the time
        calibration.setattr(repositories, "_CALIBRATION_PX", 128)
        calibration.setattr(repositories, "SWIN_B", SWIN_B.with_base_size(128))  # shapes of weights do not depend on it
        path = published_checkpoint(tmp_path)
    ours = load_network(checkpoint_from_name(str(path), SWIN_B.base_size))
    theirs = reference_network(path)
    remover = reference_remover(path)
    pictures = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, 3, 128, 128)).astype(np.float32))
    with torch.no_grad():
        saliency = torch.sigmoid(ours.pyramid(pictures).saliency[-1])
        expected = (saliency - saliency.min()) / (saliency.max() - saliency.min())
        assert float(expected.std()) > 0.05
        for network in (theirs, remover.model):
            torch.testing.assert_close(network(pictures), expected, atol=1e-3, rtol=0)
    assert remover.meta.base_size == [1024, 1024]
    assert published_checkpoint(tmp_path).stat().st_mtime_ns == path.stat().st_mtime_ns
    del theirs, remover, network
    gc.collect()  # they refer to themselves, and have hundreds of megabytes of weights
