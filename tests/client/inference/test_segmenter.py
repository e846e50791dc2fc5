"""What the promptable model is sent, which of its masks is taken, and how long its embeddings serve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.two_disks import TwoDisks, redness

from tuft import Box, Client, ContractError, FakeTransport, ModelUnavailableError, Points, Settings, contract
from tuft.imaging import preprocess
from tuft.inference.segmenter import KEPT_PICTURES
from tuft.inference.transport import CallOptions, Tensors


class Sam(FakeTransport):
    """Keeps what it is sent; each of its masks is a column of its own, so that the chosen one can be told."""

    def __init__(self, scores: Any = (0.9, 0.1, 0.2, 0.3), version: str = "1") -> None:
        super().__init__(redness, mask_from_prompt=lambda picture, points, labels: np.zeros((256, 256)))
        self.sent: list[dict[str, np.ndarray]] = []
        self.scores = np.array([scores], np.float32)
        self.serving = version

    def run(self, model: str, tensors: Any, outputs: Any, *, timeout_s: float, options: Any = None) -> Tensors:
        options = options or CallOptions()
        super().run(model, {**tensors}, outputs, timeout_s=timeout_s, options=options)
        self.sent.append(dict(tensors))
        if model == contract.ENCODER:
            values = dict.fromkeys(outputs, tensors["IMAGE"])
            return Tensors(values, model, self.serving)
        if options.version != self.serving:
            raise ModelUnavailableError("That version is gone: ask for another.")
        masks = np.full((1, 4, 256, 256), -1, np.float32)
        for index in range(4):
            masks[0, index, :, 64 * index : 64 * (index + 1)] = 1
        return Tensors({"MASKS": masks, "SCORES": self.scores}, model, self.serving)


def chosen(sam: Sam, prompt: Any) -> int:
    """The index of the mask that was taken; the network finds nothing, so that the mask alone remains."""
    grey = np.full((256, 256, 3), 99, np.uint8)
    grey[0, 0] = 0
    quiet = Client(settings=Settings(), transport=sam)
    cutout = quiet.remove(grey, prompt=prompt, refine="none")
    return int(np.argmax(cutout.alpha.mean(axis=0))) // 64


def test_coordinates_are_those_of_the_encoders_square_and_labels_are_sams() -> None:
    photo, sam = TwoDisks().rgb, Sam()
    prompt = [Box(10, 20, 300, 190), Points([(160, 100), (80, 50)], [(320 * 3 / 4, 0)])]
    Client(settings=Settings(), transport=sam).remove(photo, prompt=prompt)
    encoder, decoder = sam.sent
    np.testing.assert_array_equal(encoder["IMAGE"], preprocess.network_image(photo, 1024, "static")[0][None])
    expected = [(512, 512), (256, 256), (768, 0), (32, 102.4), (960, 972.8)]
    np.testing.assert_allclose(decoder["POINTS"], [expected], rtol=1e-6)
    np.testing.assert_array_equal(decoder["LABELS"], [[1, 1, 0, 2, 3]])
    assert decoder["POINTS"].dtype == np.float32
    assert decoder["LABELS"].dtype == np.int32


def test_one_click_may_mean_three_things_and_more_say_exactly_which() -> None:
    assert chosen(Sam((0.9, 0.1, 0.8, 0.3)), Points([(100, 100)])) == 2
    assert chosen(Sam((0.0, 0.1, 0.8, 0.3)), Points([(100, 100), (90, 90)])) == 0
    assert chosen(Sam((0.0, 0.1, 0.8, 0.3)), Points([(100, 100)], [(9, 9)])) == 0
    assert chosen(Sam((0.0, 0.1, 0.8, 0.3)), Box(1, 1, 100, 100)) == 0


def test_embeddings_of_a_version_that_is_gone_are_made_anew() -> None:
    photo, sam = TwoDisks().rgb, Sam(version="1")
    client = Client(settings=Settings(), transport=sam)
    client.remove(photo, prompt=Points([(90, 110)]))
    sam.serving = "2"
    client.remove(photo, prompt=Points([(90, 110)]))
    prompts = [model for model in sam.requests if model in contract.PROMPT_MODELS]
    assert prompts == [contract.ENCODER, contract.DECODER, contract.DECODER, contract.ENCODER, contract.DECODER]
    versions = [o.version for m, o in zip(sam.requests, sam.options, strict=True) if m == contract.DECODER]
    assert versions == ["1", "1", "2"]


def test_embeddings_of_the_last_pictures_are_kept() -> None:
    photo, sam = TwoDisks().rgb, Sam()
    client = Client(settings=Settings(), transport=sam)
    pictures = [np.roll(photo, shift, axis=1) for shift in range(KEPT_PICTURES + 1)]
    for picture in [*pictures, pictures[-1], pictures[1], pictures[0]]:
        client.remove(picture, prompt=Points([(90, 110)]))
    assert sam.requests.count(contract.ENCODER) == len(pictures) + 1  # the first has made room for the last


@pytest.mark.parametrize("scores", [(float("nan"), 0, 0, 0), (0.1, 0.2)])
def test_what_is_no_answer_is_told(scores: Any) -> None:
    with pytest.raises(ContractError, match=r"export it again|tuft-export sam2"):
        Client(settings=Settings(), transport=Sam(scores)).remove(TwoDisks().rgb, prompt=Box(1, 1, 99, 99))
