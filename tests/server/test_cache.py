"""Results that are kept, while the real server is given another version; many photographs at once become batches."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.calling import Caller
from support.tiny import mean_graph, misbehaving_model, seal, tiny_repository

from tuft import Client, Settings
from tuft.errors import ServerError
from tuft.inference.transport.triton import TritonTransport
from tuft.operations.cache import VERSION_MAX_AGE_S, ResultCache
from tuft.serve import ServeOptions, command, running_server

pytestmark = pytest.mark.server

MODEL = "inspyrenet_384"
SMALL = {"size": 384, "refine": "none"}


@pytest.fixture
def photo(scene: Any) -> np.ndarray:
    """A white disk on black: what the mean of the channels finds."""
    return np.rint(scene.alpha[..., None] * np.full(3, 255)).astype(np.uint8)


def test_a_rollout_on_the_real_server_ends_what_the_version_before_has_left(
    tmp_path: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.secrets, "token_hex", lambda _: "known")  # opens what is restricted
    entry = {"triton-grpc-protocol-tuft-key": "known"}
    repository = tiny_repository(tmp_path / "repository", graph=mean_graph)
    with running_server(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)) as addresses:
        caller = Caller(addresses.grpc).client
        cache = ResultCache(tmp_path / "cache")
        client = Client(addresses.grpc, cache=cache, transport=TritonTransport(addresses.grpc))
        now_s = [0.0]
        client._wiring.open().versions.clock = lambda: now_s[0]
        first = client.remove(photo, **SMALL)
        again = client.remove(photo, **SMALL)
        assert (first.model_version, again.model_version, cache.hits) == ("1", "1", 1)
        np.testing.assert_array_equal(first.rgba, again.rgba)

        shutil.copytree(repository / MODEL / "1", repository / MODEL / "2")
        seal(repository / MODEL / "2")
        caller.load_model(MODEL, headers=entry)
        assert client.remove(photo, **SMALL).model_version == "1"  # for so long it may
        now_s[0] += VERSION_MAX_AGE_S
        assert client.remove(photo, **SMALL).model_version == "2"
        assert client.remove(photo, **SMALL).model_version == "2"
        assert (cache.hits, cache.misses) == (3, 2)

        caller.unload_model(MODEL, headers=entry)
        now_s[0] += VERSION_MAX_AGE_S
        with pytest.raises(ServerError):  # what was kept does not hide it
            client.remove(photo, **SMALL)
        client.close()
        cache.close()


def test_many_photographs_reach_the_server_together_and_become_batches(tmp_path: Path, photo: np.ndarray) -> None:
    answer = "(images.mean(-1) / 255).astype(np.float32)"
    model = misbehaving_model("time.sleep(0.03)").replace("np.zeros(images.shape[:3], np.float32)", answer)
    repository = tiny_repository(tmp_path / "repository", model=model, configure=_batching)
    with running_server(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)) as addresses:

        def executions() -> int:
            statistics = Caller(addresses.grpc).client.get_inference_statistics(MODEL).model_stats[0]
            return int(statistics.execution_count)

        before = executions()
        with Client(addresses.grpc, settings=Settings(retries=0)) as client:
            results = list(client.map([photo] * 60, concurrency=8, **SMALL))
        assert [result.error for result in results] == [None] * 60
        assert executions() - before <= 45  # sixty, one at a time


def _batching(configuration: Any) -> None:
    """As TensorRT's configuration does; the Python runtime's own takes one picture at a time."""
    del configuration.dynamic_batching.preferred_batch_size[:]
