"""No network is larger than its checkpoint gains from, unless the caller says so."""

from __future__ import annotations

from typing import Any

import pytest

from tuft import PRESETS, Client, FakeTransport
from tuft.errors import ServerOutOfMemoryError, ServerTimeoutError
from tuft.inference.transport.base import stated_input
from tuft.presets import within

STATED = {"inspyrenet_1536": 1024, "inspyrenet_2048": 1024}


def served(scene: Any, preset: Any, *, fake: FakeTransport | None = None, **options: Any) -> tuple[list[str], str]:
    fake = fake or FakeTransport(scene.saliency, best_sizes=STATED)
    cutout = Client(transport=fake).remove(scene.rgb, preset, **options)
    assert fake.requests[-1] == cutout.model
    assert cutout.fallback_reason is None
    return fake.requests, cutout.preset


@pytest.mark.parametrize("preset", ["maximum", "high", "auto"])
def test_a_preset_pays_for_no_size_that_gains_nothing(make_scene: Any, preset: str) -> None:
    scene = make_scene((40, 2050))
    assert served(scene, preset) == (["inspyrenet_1024"], preset)


def test_the_matte_is_that_of_the_smaller_preset(make_scene: Any) -> None:
    scene = make_scene((60, 90))
    limited, plain = (Client(transport=FakeTransport(scene.saliency, best_sizes=stated)) for stated in (STATED, {}))
    matte = limited.remove(scene.rgb, "maximum").alpha
    assert (matte == plain.remove(scene.rgb, "standard", refine="matting").alpha).all()


def test_a_size_or_model_that_the_caller_names_holds(scene: Any) -> None:
    assert served(scene, "maximum", size=2048)[0] == ["inspyrenet_2048"]
    assert served(scene, "maximum", model="inspyrenet_1536")[0] == ["inspyrenet_1536"]


def test_what_states_nothing_is_used_as_asked(scene: Any) -> None:
    assert served(scene, "maximum", fake=FakeTransport(scene.saliency))[0] == ["inspyrenet_2048"]


def test_a_smaller_model_that_is_not_served_is_not_asked(scene: Any) -> None:
    fake = FakeTransport(scene.saliency, models=("inspyrenet_2048", "matting"), best_sizes=STATED)
    assert served(scene, "maximum", fake=fake)[0] == ["inspyrenet_2048"]


def test_a_server_that_does_not_say_fails_nothing(scene: Any) -> None:
    class Silent(FakeTransport):
        def network_input(self, model: str, *, timeout_s: float) -> Any:
            raise ServerTimeoutError("no answer")

    assert served(scene, "maximum", fake=Silent(scene.saliency, best_sizes=STATED))[0] == ["inspyrenet_2048"]


def test_it_steps_down_from_the_size_that_served(scene: Any) -> None:
    fake = FakeTransport(scene.saliency, best_sizes=STATED, failures=[ServerOutOfMemoryError("full")])
    with pytest.raises(ServerOutOfMemoryError):
        Client(transport=fake).remove(scene.rgb, "maximum")
    assert fake.requests == ["inspyrenet_1024"]


@pytest.mark.parametrize(
    ("best", "size", "resize"),
    [(100, 384, "static"), (1024, 1024, "static"), (1600, 1536, "dynamic"), (2048, 2048, "dynamic")],
)
def test_the_largest_size_that_is_not_above_the_best(best: int, size: int, resize: str) -> None:
    found = within(PRESETS["maximum"], (50, 50), best)
    assert (found.name, found.size, found.resize, found.refine) == ("maximum", size, resize, "matting")


@pytest.mark.parametrize("wrong", ["", "large", "-1", "1e3"])
def test_a_wrong_size_states_nothing(wrong: str) -> None:
    assert stated_input(384, {"tuft_best_size": wrong, "tuft_resize": "sideways"}) == stated_input(384, {})
