"""A real tritonserver with somebody else's network, asked by its name."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from support import published
from support.server import empty_repository

from tuft import Client
from tuft.errors import ModelUnavailableError
from tuft.serve import ServeOptions, ServerAddresses, running_server
from tuft_export.adopt import AdoptOptions, adopt

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerAddresses]:
    """Serves nothing of tuft's own: a BiRefNet for any batch, and a U^2-Net for single pictures."""
    folder = tmp_path_factory.mktemp("adopted")
    repository = empty_repository(folder)
    birefnet = published.birefnet(folder / "birefnet.onnx")
    adopt(birefnet, AdoptOptions("tiny_96", "imagenet", "sigmoid", repository=repository))
    u2net = published.u2net(folder / "u2net.onnx", shape=(1, 3, 64, 64))
    adopt(u2net, AdoptOptions("single", "u2net", "none", output="1959", repository=repository))
    with running_server(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)) as running:
        yield running


@pytest.fixture
def client(addresses: ServerAddresses) -> Iterator[Client]:
    with Client(addresses.grpc) as made:
        yield made


@pytest.mark.parametrize(("model", "size"), [("tiny_96", 96), ("single", 64)])
def test_an_adopted_network_cuts_out(client: Client, scene: Any, model: str, size: int) -> None:
    assert client.transport.model_size(model, timeout_s=10) == size
    cutout = client.remove(scene.rgb, model=model)
    assert (cutout.model, cutout.model_version, cutout.preset, cutout.fallback_reason) == (model, "1", "standard", None)
    error = np.abs(cutout.alpha / 255.0 - scene.alpha)
    assert error.mean() < 0.04
    assert (cutout.alpha[scene.alpha == 1] > 200).mean() > 0.98
    assert (cutout.alpha[scene.alpha == 0] < 50).mean() > 0.98


@pytest.mark.parametrize("model", ["tiny_96", "single"])
def test_many_at_once_get_what_each_gets_alone(client: Client, scene: Any, model: str) -> None:
    photos = [np.roll(scene.rgb, shift, axis=1) for shift in range(-20, 20, 5)]
    alone = [client.remove(photo, model=model, refine="none").rgba for photo in photos]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda photo: client.remove(photo, model=model, refine="none").rgba, photos))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_that_is_not_served_is_named(client: Client, scene: Any) -> None:
    with pytest.raises(ModelUnavailableError, match="does not serve birefnet_1024"):
        client.remove(scene.rgb, model="birefnet_1024")
    with pytest.raises(ModelUnavailableError):
        client.remove(scene.rgb, model="")


def test_tufts_own_are_not_loaded_because_they_are_not_published(client: Client) -> None:
    assert client.transport.ready_models() == ()
