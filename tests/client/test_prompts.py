"""What prompts may say, and what a client makes of them: exact truth on a photograph of two disks."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.two_disks import TwoDisks, pointed_at, redness

import tuft
from tuft import Box, Client, FakeTransport, Mask, Points, RequestEvent, Settings, contract
from tuft.errors import (
    ImageError,
    NoSubjectError,
    OptionError,
    PromptError,
    PromptModelMissingError,
    ServerUnreachableError,
)
from tuft.prompts import MAX_POINTS, parse_box, parse_point, parse_points, prompt_set

LEFT_BOX = Box(30, 50, 150, 170)
RIGHT_BOX = Box(190, 40, 270, 120)


@pytest.fixture
def disks() -> TwoDisks:
    return TwoDisks()


def client_of(fake: FakeTransport, **options: Any) -> Client:
    return Client(settings=Settings(), transport=fake, **options)


def with_sam() -> FakeTransport:
    return FakeTransport(redness, mask_from_prompt=pointed_at)


def without_sam() -> FakeTransport:
    return FakeTransport(redness)


def off(alpha: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(alpha / 255.0 - truth).max())


PROMPTS = {
    "a point": Points([(90, 110)]),
    "a box": LEFT_BOX,
    "a point and a box": [Points([(90, 110)]), LEFT_BOX],
    "a box around both, and a point beside": [Box(10, 20, 300, 190), Points([(90, 110)], [(230, 80)])],
}


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_only_what_the_prompt_means_is_cut_out(disks: TwoDisks, prompt: Any) -> None:
    client = client_of(with_sam())
    unprompted = client.remove(disks.rgb)
    assert off(unprompted.alpha, np.maximum(disks.left_alpha, disks.right_alpha)) < 0.2
    assert unprompted.prompt_agreement is None
    cutout = client.remove(disks.rgb, prompt=prompt)
    assert off(cutout.alpha, disks.left_alpha) < 0.2
    assert not cutout.alpha[disks.right_alpha > 0].any()
    assert cutout.rgba.shape == (*disks.rgb.shape[:2], 4)
    assert cutout.prompt_agreement is not None
    assert cutout.prompt_agreement > 0.9


def test_a_box_works_without_a_model_for_prompts(disks: TwoDisks) -> None:
    fake = without_sam()
    for box, wanted, other in (
        (LEFT_BOX, disks.left_alpha, disks.right_alpha),
        (RIGHT_BOX, disks.right_alpha, disks.left_alpha),
    ):
        cutout = client_of(fake).remove(disks.rgb, prompt=box)
        assert off(cutout.alpha, wanted) < 0.2
        assert not cutout.alpha[other > 0].any()
        assert cutout.prompt_agreement == pytest.approx(1, abs=0.1)
    assert set(fake.requests) == {"inspyrenet_1024"}


def test_a_mask_needs_no_model_for_prompts(disks: TwoDisks) -> None:
    rough = np.zeros(disks.rgb.shape[:2], bool)
    rough[53:167, 33:147] = True  # a rectangle, not a disk
    cutout = client_of(without_sam()).remove(disks.rgb, prompt=Mask(rough))
    assert off(cutout.alpha, disks.left_alpha) < 0.2


def test_a_network_that_finds_something_else_is_told_and_overruled(disks: TwoDisks) -> None:
    """The prompt says which: where the network sees nothing, its mask stands, and the result says so."""

    def blind(image: np.ndarray) -> np.ndarray:
        saliency = redness(image)
        saliency[:, : len(saliency) * 3 // 4] = 0
        return saliency

    seen: list[RequestEvent] = []

    class Seen(tuft.Observer):
        def request_finished(self, event: RequestEvent) -> None:
            seen.append(event)

    client = client_of(FakeTransport(blind, mask_from_prompt=pointed_at), observers=[Seen()])
    cutout = client.remove(disks.rgb, prompt=Points([disks.left_xy]))
    assert cutout.prompt_agreement is not None
    assert cutout.prompt_agreement < 0.5
    assert np.abs(cutout.alpha / 255.0 - disks.left_alpha).mean() < 0.01
    assert seen[0].prompt_agreement == cutout.prompt_agreement
    assert seen[0].to_dict()["prompt_agreement"] == cutout.prompt_agreement


def test_a_network_that_finds_nothing_leaves_the_mask(disks: TwoDisks) -> None:
    fake = FakeTransport(lambda image: np.zeros(image.shape[:2], np.float32), mask_from_prompt=pointed_at)
    cutout = client_of(fake).remove(disks.rgb, prompt=Points([disks.left_xy]))
    assert cutout.prompt_agreement == 0
    assert np.abs(cutout.alpha / 255.0 - disks.left_alpha).mean() < 0.01
    fake = FakeTransport(lambda image: np.zeros(image.shape[:2], np.float32))
    with pytest.raises(NoSubjectError):
        client_of(fake).remove(disks.rgb, prompt=LEFT_BOX)


def test_the_second_prompt_for_a_picture_costs_only_the_decoder(disks: TwoDisks) -> None:
    fake = with_sam()
    client = client_of(fake)
    client.remove(disks.rgb, prompt=Points([disks.left_xy]))
    assert fake.requests == [contract.ENCODER, contract.DECODER, "inspyrenet_1024"]
    cutout = client.remove(disks.rgb.copy(), prompt=Points([disks.right_xy]))
    assert fake.requests[3:] == [contract.DECODER, "inspyrenet_1024"]
    assert off(cutout.alpha, disks.right_alpha) < 0.2
    client.remove(disks.rgb[::-1].copy(), prompt=RIGHT_BOX)
    assert fake.requests[5:] == [contract.ENCODER, contract.DECODER, "inspyrenet_1024"]


def test_the_asynchronous_client_and_map_take_prompts(disks: TwoDisks) -> None:
    async def cut_out() -> np.ndarray:
        async with tuft.AsyncClient(settings=Settings(), transport=with_sam()) as client:
            return (await client.remove(disks.rgb, prompt=RIGHT_BOX)).alpha

    assert off(asyncio.run(cut_out()), disks.right_alpha) < 0.2
    (result,) = client_of(with_sam()).map([disks.rgb], prompt=LEFT_BOX)
    assert result.cutout is not None
    assert off(result.cutout.alpha, disks.left_alpha) < 0.2


def test_results_of_prompts_are_not_taken_from_a_cache(disks: TwoDisks, tmp_path: Any) -> None:
    client = client_of(with_sam(), cache=tuft.ResultCache(tmp_path))
    client.remove(disks.rgb, prompt=LEFT_BOX)
    cutout = client.remove(disks.rgb, prompt=RIGHT_BOX)
    assert off(cutout.alpha, disks.right_alpha) < 0.2
    assert not cutout.from_cache


def test_points_without_a_model_for_them_are_refused_with_the_remedy(disks: TwoDisks) -> None:
    with pytest.raises(PromptModelMissingError, match=r"tuft-export sam2.*or give a box"):
        client_of(without_sam()).remove(disks.rgb, prompt=Points([disks.left_xy]))
    with pytest.raises(PromptModelMissingError):
        client_of(without_sam()).remove(disks.rgb, prompt=[Points([disks.left_xy]), LEFT_BOX])


def test_a_server_that_comes_back_is_asked_again(disks: TwoDisks) -> None:
    fake = with_sam()
    fake.failures.append(ServerUnreachableError("gone for a moment"))
    cutout = client_of(fake).remove(disks.rgb, prompt=Points([disks.left_xy]))
    assert off(cutout.alpha, disks.left_alpha) < 0.2


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (Points([(320, 10)]), "The point 320 10 lies outside of the picture of 320 × 200 pixels"),
        (Points([(5, 5)], [(7, 200.5)]), "The point 7 200.5 lies outside"),
        (Box(10, 10, 321, 60), "reaches beyond the picture of 320 × 200"),
        (Mask(np.ones((320, 200), bool)), "The mask has 200 × 320 pixels and the picture of 320 × 200"),
        (Points([(1, 1)]), "finds nothing at that prompt"),
    ],
)
def test_a_prompt_that_does_not_fit_the_picture_is_told(disks: TwoDisks, prompt: Any, text: str) -> None:
    with pytest.raises(PromptError, match=text) as caught:
        client_of(with_sam()).remove(disks.rgb, prompt=prompt)
    assert isinstance(caught.value, OptionError)
    assert not isinstance(caught.value, ImageError)


BAD: dict[str, Any] = {
    "no point on the subject": lambda: Points([], [(1, 2)]),
    "a point of three": lambda: Points([(1, 2, 3)]),  # type: ignore[list-item]
    "a point by itself": lambda: Points((1, 2)),  # type: ignore[arg-type]
    "no number": lambda: Points([("a", 2)]),  # type: ignore[list-item]
    "a truth value": lambda: Points([(True, 2)]),
    "not finite": lambda: Points([(float("nan"), 2)]),
    "before the first pixel": lambda: Points([(-1, 2)]),
    "too many": lambda: Points([(1, 2)] * (MAX_POINTS + 1)),
    "an empty box": lambda: Box(10, 10, 10, 20),
    "a box from right to left": lambda: Box(20, 10, 10, 20),
    "a box at infinity": lambda: Box(0, 0, float("inf"), 1),
    "an empty mask": lambda: Mask(np.zeros((4, 4), bool)),
    "a mask in colour": lambda: Mask(np.ones((4, 4, 3), np.uint8)),  # type: ignore[arg-type]
    "no prompt": lambda: prompt_set("left"),  # type: ignore[arg-type]
    "none at all": lambda: prompt_set([]),
    "two boxes": lambda: prompt_set([LEFT_BOX, RIGHT_BOX]),
    "a mask and a box": lambda: prompt_set([Mask(np.ones((4, 4), bool)), LEFT_BOX]),
    "a written point": lambda: parse_point("12"),
    "a written box": lambda: parse_box("1 2 3"),
    "written points beside": lambda: parse_points("not 4 5"),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_what_is_no_prompt_is_refused_in_one_sentence(make: Any) -> None:
    with pytest.raises(PromptError) as caught:
        make()
    text = str(caught.value)
    assert text.endswith(".")
    assert text.count(". ") == 0
    assert ":" in text  # the cause, then the remedy


def test_roi_and_prompt_exclude_each_other(disks: TwoDisks) -> None:
    with pytest.raises(OptionError, match="leave out roi, or prompt"):
        client_of(without_sam()).remove(disks.rgb, prompt=LEFT_BOX, roi="0 0 50% 50%")


def test_prompts_cannot_be_changed() -> None:
    for prompt in (Points([(1, 2)]), LEFT_BOX, Mask(np.ones((4, 4), bool))):
        name = dataclasses.fields(prompt)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(prompt, name, None)
    given_mask = np.ones((4, 4), np.uint8) * 255
    mask = Mask(given_mask)  # type: ignore[arg-type]
    given_mask[:] = 0
    assert mask.inside.all()


@pytest.mark.parametrize("value", [np.uint8(200), np.float32(0.8), True])
def test_masks_of_every_type_mean_the_same(value: Any) -> None:
    given_mask = np.zeros((6, 8), np.asarray(value).dtype)
    given_mask[2:4, 3:5] = value
    np.testing.assert_array_equal(Mask(given_mask).inside, given_mask > 0)


numbers = st.floats(0, 99_999, width=32).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5), st.lists(st.tuples(numbers, numbers), max_size=5))
def test_written_points_are_those_that_were_meant(on: Any, beside: Any) -> None:
    text = "; ".join([*(f"{x:.3f} {y:.3f}" for x, y in on), *(f"not {x:.3f},{y:.3f}" for x, y in beside)])
    assert parse_points(text) == Points(on, beside)


def test_a_written_box_is_read_back() -> None:
    assert parse_box(str(Box(1.5, 2, 30, 40))) == Box(1.5, 2, 30, 40)
