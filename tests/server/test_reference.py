"""`stable` gives what transparent-background's Remover gives, through a real server, for the same weights."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from support.reference import reference_network
from support.server import empty_repository

from tuft import Client
from tuft.serve import ServeOptions, running_server
from tuft_export.checkpoints import checkpoint_from_name, load_network, save_weights
from tuft_export.inspyrenet import InSPyReNet
from tuft_export.publishing.publish import PublishOptions, publish
from tuft_training.rebase import rebased

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's weights carried over to Remover's own base size, where the graph is plain as Remover's pass is."""
    network = rebased(load_network(checkpoint_from_name("demo")), 1024)
    path = tmp_path_factory.mktemp("weights") / "demo_1024.safetensors"
    save_weights(network, path)
    return path


@pytest.fixture(scope="module")
def url(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    repository = empty_repository(tmp_path_factory.mktemp("served"))
    publish(checkpoint_from_name(str(weights)), PublishOptions(repository, sizes=(1024,)))
    with running_server(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)) as addresses:
        yield addresses.grpc


def remover(network: InSPyReNet, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The real Remover; only the shape of the network that it builds is ours."""
    checkpoint = folder / "weights.pth"
    torch.save(network.state_dict(), checkpoint)
    monkeypatch.setenv("TRANSPARENT_BACKGROUND_FILE_PATH", str(folder))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from transparent_background import Remover

        module = sys.modules["transparent_background.Remover"]
        monkeypatch.setattr(module, "InSPyReNet_SwinB", lambda **_: reference_network(network, load=False))
        return Remover(mode="base", resize="static", device="cpu", ckpt=str(checkpoint))


@pytest.mark.parametrize("name", ["chelsea", "coffee"])
def test_stable_is_the_references_map(
    name: str, url: str, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Image.fromarray(getattr(skimage.data, name)())
    network = load_network(checkpoint_from_name(str(weights)))
    expected = np.asarray(remover(network, tmp_path, monkeypatch).process(photo, type="map"))[:, :, 0]
    with Client(url) as client:
        actual = client.remove(photo, preset="stable").alpha
    assert actual.shape == expected.shape
    assert expected.std() > 5, "a constant map would prove nothing"
    assert np.abs(actual.astype(int) - expected).max() <= 1
