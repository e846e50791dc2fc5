"""The benchmark of prompts, lean: two subjects with exact truth, and a network that sees both."""

from __future__ import annotations

import dataclasses

import numpy as np
import prompts
import pytest
from _prompts.stand_in import DAMAGES, StandIn, damaged_logits
from support.two_disks import TwoDisks, redness

from tuft import Client, FakeTransport, Settings
from tuft_training.scenes import Scene, SeveralScene, several_scene


def scene(gap_px: int = 40) -> SeveralScene:
    disks = TwoDisks(gap_px)
    both = np.maximum(disks.left_alpha, disks.right_alpha)
    alphas = (disks.left_alpha, both - disks.left_alpha)
    return SeveralScene(Scene(disks.rgb, both, disks.rgb, disks.rgb, "several"), alphas)


@pytest.fixture(scope="module")
def found() -> dict[str, list[prompts.Figures]]:
    network = FakeTransport(redness)
    stand_in = StandIn(network)
    clients = [Client(settings=Settings(), transport=each) for each in (network, stand_in)]
    contestants = prompts.Contestants(clients[0], clients[1], stand_in, 384)
    return prompts.measure([scene(gap_px=2)], contestants)


def test_every_prompt_cuts_out_the_subject_that_is_meant(found: dict[str, list[prompts.Figures]]) -> None:
    assert len(found) == 2 + 3 + len(DAMAGES) - 1
    unprompted = found.pop("no prompt")
    assert np.mean([each.iou for each in unprompted]) < 0.6
    for way, figures in found.items():
        assert min(each.iou for each in figures) > 0.9, way
        assert max(each.others_share for each in figures) < 0.03, way


def test_the_stand_ins_masks_are_as_bad_as_they_claim(found: dict[str, list[prompts.Figures]]) -> None:
    quality = {damage: np.mean([each.mask_iou for each in found[f"box, mask {damage}"]]) for damage in DAMAGES}
    assert quality["exact"] > 0.97
    assert quality["eroded"] < 0.92
    assert quality["dilated"] < 0.92
    assert quality["coarse"] < quality["exact"]


def test_the_table_has_a_row_for_every_way(found: dict[str, list[prompts.Figures]]) -> None:
    figures = {way: [dataclasses.asdict(each) for each in rows] for way, rows in found.items()}
    result = {"machine": "a machine", "network": "demo, 384", "figures": figures, "speed_ms": {"decoder, least": 41.6}}
    text = prompts.table(result)
    assert all(f"| {way} |" in text for way in found)
    assert "2 subjects, network demo, 384" in text
    assert "decoder, least 42 ms" in text


def test_a_damaged_mask_is_damaged_as_named() -> None:
    alpha = TwoDisks().left_alpha
    areas = {damage: np.count_nonzero(damaged_logits(alpha, damage) > 0) for damage in DAMAGES}
    assert areas["eroded"] < areas["exact"] < areas["dilated"]


def test_scenes_of_several_subjects_add_up() -> None:
    made = several_scene(7, (160, 200))
    again = several_scene(7, (160, 200))
    assert len(made.alphas) in (2, 3)
    np.testing.assert_allclose(sum(made.alphas), made.scene.alpha, atol=2e-3)
    assert min(float(alpha.mean()) for alpha in made.alphas) > 0.015
    np.testing.assert_array_equal(made.scene.image, again.scene.image)
    assert made.scene.category == "several"
