"""Prompts without a server: SAM 2.1 in miniature, computed in this process, with transformers as the oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.two_disks import TwoDisks

from tuft import Box, Client, ModelUnavailableError, Points, Settings, contract
from tuft.imaging import load_photo, preprocess
from tuft.inference.request import Request
from tuft.inference.resilience import Deadline
from tuft.inference.retrying import RetryingTransport
from tuft.inference.runner import RunRequest
from tuft.inference.segmenter import Segmenter
from tuft.presets import PRESETS
from tuft.prompts import prompt_set
from tuft_export.sam2.weights import load_folder
from tuft_local import LocalTransport, connect


class Counting(LocalTransport):
    """Counts the models that are run."""

    def __init__(self, transport: LocalTransport) -> None:
        vars(self).update(vars(transport))
        self.ran: list[str] = []

    def run(self, model: str, *arguments: object, **options: object) -> object:  # type: ignore[override]
        self.ran.append(model)
        return super().run(model, *arguments, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_masks_are_those_of_transformers(
    sam2_repository: Path, sam2_folder: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUFT_ENGINE", engine)
    photo = load_photo(TwoDisks().rgb)
    height, width = photo.size_hw
    prompt = prompt_set([Points([(90, 110)], [(230, 80)]), Box(20, 30, 300, 180)])
    transport = Counting(connect(f"{sam2_repository}"))
    segmenter = Segmenter(RetryingTransport(transport, Settings()))
    request = RunRequest(photo, PRESETS["standard"], Request("standard"), Deadline(600))
    assert segmenter.is_served(request)
    found = segmenter.mask(request, prompt)
    again = segmenter.mask(request, prompt)
    transport.close()
    assert transport.ran == [contract.ENCODER, contract.DECODER, contract.DECODER]
    np.testing.assert_array_equal(again.logits, found.logits)

    model = load_folder(sam2_folder)
    square = preprocess.network_image(photo.rgb, 1024, "static")[0] / 255
    pixels = ((square - contract.MEAN) / contract.STD).transpose(2, 0, 1)[None].astype(np.float32)
    scale = np.array([1024 / width, 1024 / height])
    with torch.no_grad():
        own = model(
            pixel_values=torch.from_numpy(pixels),
            input_points=torch.tensor(np.array([[[(90, 110), (230, 80)]]]) * scale, dtype=torch.float32),
            input_labels=torch.tensor([[[1, 0]]]),
            input_boxes=torch.tensor(np.array([[[20, 30, 300, 180]]]) * np.tile(scale, 2), dtype=torch.float32),
            multimask_output=False,
        )
    expected = own.pred_masks[0, 0, 0].numpy()
    assert expected.std() > 1e-3
    # Embeddings are rounded to float16 on the way, which transformers' own pass does not do.
    assert np.abs(found.logits - expected).max() < 0.05 * expected.std()
    assert found.score == pytest.approx(float(own.iou_scores), abs=0.01)


def test_a_repository_without_it_serves_boxes_alone(repository: Path, sam2_repository: Path) -> None:
    photo = np.where(TwoDisks().left_alpha[..., None] > 0.5, np.uint8(240), np.uint8([20, 20, 20]))
    with Client(f"local:{repository}", preset="standard") as client:
        assert client.remove(photo, prompt=Box(30, 50, 150, 170), refine="none").prompt_agreement is not None
        with pytest.raises(ModelUnavailableError, match="tuft-export sam2"):
            client.remove(photo, prompt=Points([(90, 110)]))
    transport = connect(str(sam2_repository))
    assert transport.other_models() == ()  # they are no models to cut out with
    transport.close()
