"""A real tritonserver with SAM 2.1 in miniature: the same masks as in this process, and the encoder takes batches."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.tiny import tiny_repository
from support.two_disks import TwoDisks

from tuft import Box, Client, Points, contract
from tuft.serve import ServeOptions, ServerAddresses, running_server
from tuft.serve.discovery import adopted_names
from tuft_local import connect

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, sam2_repository: Path) -> Path:
    """Both graphs beside a network whose saliency is the mean of the channels."""
    folder = tmp_path_factory.mktemp("prompts")
    repository = tiny_repository(folder / "repository", sizes=(384,))
    for name in contract.PROMPT_MODELS:
        shutil.copytree(sam2_repository / name, repository / name)
    return repository


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[ServerAddresses]:
    with running_server(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)) as addresses:
        yield addresses


def test_the_server_answers_as_this_process_does(server: ServerAddresses, repository: Path) -> None:
    photo = TwoDisks().rgb
    with Client(server.grpc) as client, closing(connect(str(repository))) as local:
        pictures = np.stack([np.resize(photo, (1024, 1024, 3)), np.full((1024, 1024, 3), 90, np.uint8)])
        both = client.transport.run(
            contract.ENCODER, {contract.INPUT_NAME: pictures}, contract.EMBEDDING_NAMES, timeout_s=60
        )
        alone = local.run(contract.ENCODER, {contract.INPUT_NAME: pictures[:1]}, contract.EMBEDDING_NAMES, timeout_s=60)
        for name, shape in zip(contract.EMBEDDING_NAMES, contract.EMBEDDING_SHAPES, strict=True):
            assert both.values[name].shape == (2, *shape)
            assert both.values[name].dtype == np.float16
            # The engines differ: OpenVINO behind Triton, ONNX Runtime here.
            here, there = (values[name][0].astype(np.float32) for values in (alone.values, both.values))
            assert np.abs(there - here).max() < 0.05 * here.std()
        assert both.version == "1"


def test_prompts_are_answered_and_the_model_is_no_model_to_cut_out_with(
    server: ServerAddresses, repository: Path
) -> None:
    photo = np.where(TwoDisks().left_alpha[..., None] > 0.5, np.uint8(240), np.uint8([20, 20, 20]))
    with Client(server.grpc) as client:
        for prompt in (Points([(90, 110)]), Box(30, 50, 150, 170)):
            cutout = client.remove(photo, size=384, prompt=prompt, refine="none")
            assert cutout.model == "inspyrenet_384"
            assert cutout.prompt_agreement is not None
    assert adopted_names(repository) == ()
