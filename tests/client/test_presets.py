from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuft import Client, FakeTransport, Settings, contract
from tuft.errors import OptionError, ServerOutOfMemoryError
from tuft.presets import DEFAULT_PRESET, PRESETS, REFINEMENTS, STEP_DOWN, Preset, preset_from_name, working_size

sides = st.integers(1, 20_000)


def test_each_is_found_by_its_own_name() -> None:
    assert [preset.name for preset in PRESETS.values()] == list(PRESETS)
    assert DEFAULT_PRESET in PRESETS
    for name, preset in PRESETS.items():
        assert preset_from_name(name) is preset


def test_they_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PRESETS["mine"] = PRESETS["high"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["high"].size = 384  # type: ignore[misc]


def test_stable_is_what_transparent_background_does() -> None:
    stable = PRESETS["stable"]
    assert (stable.size, stable.resize, stable.refine) == (1024, "static", "none")


def test_stepping_down_ends_at_smaller_and_smaller_sizes() -> None:
    for name, smaller in STEP_DOWN.items():
        assert working_size(PRESETS[name], (1, 1)) > working_size(PRESETS[smaller], (1, 1))


@given(st.sampled_from(tuple(PRESETS)), sides, sides)
def test_every_photograph_has_a_size_that_is_served(name: str, height: int, width: int) -> None:
    assert working_size(PRESETS[name], (height, width)) in contract.SIZES


@given(sides, sides, sides)
def test_auto_grows_with_the_photograph_and_ignores_its_orientation(height: int, width: int, more: int) -> None:
    auto = PRESETS["auto"]
    assert working_size(auto, (height, width)) == working_size(auto, (width, height))
    assert working_size(auto, (height, width)) <= working_size(auto, (height, width + more))


@pytest.mark.parametrize(("side", "size"), [(1, 1024), (1024, 1024), (1025, 1536), (2048, 1536), (2049, 2048)])
def test_auto_changes_where_the_table_says(side: int, size: int) -> None:
    assert working_size(PRESETS["auto"], (side, 1)) == size


@given(st.sampled_from(tuple(PRESETS)), st.sampled_from(contract.SIZES), st.sampled_from(REFINEMENTS))
def test_overrides_change_only_themselves(name: str, size: int, refine: str) -> None:
    changed = preset_from_name(name, size=size, refine=refine)  # type: ignore[arg-type]
    assert changed == dataclasses.replace(PRESETS[name], size=size, refine=refine, limited=False)  # type: ignore[arg-type]
    assert working_size(changed, (9999, 9999)) == size


@pytest.mark.parametrize(
    "arguments", [{"name": "best"}, {"name": "high", "size": 1000}, {"name": "high", "refine": "more"}]
)
def test_what_does_not_exist_is_refused_with_what_does(arguments: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="choose one of"):
        preset_from_name(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(("wrong", "right"), [("maximun", "maximum"), ("standart", "standard"), ("hihg", "high")])
def test_a_misspelt_name_is_corrected(wrong: str, right: str) -> None:
    with pytest.raises(OptionError, match=f"^There is no preset '{wrong}': write {right}, or choose one of stable, "):
        preset_from_name(wrong)


def test_a_preset_of_ones_own_is_checked() -> None:
    with pytest.raises(OptionError, match="no resize"):
        Preset("mine", 1024, "stretched", "none", "")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_values_whatever_it_is_called(name: str, scene: Any) -> None:
    client = Client(settings=Settings(), transport=FakeTransport())
    named = client.remove(scene.rgb, name)
    own = client.remove(scene.rgb, replace(PRESETS[name], name="mine"))
    assert (own.preset, own.requested) == ("mine", "mine")
    np.testing.assert_array_equal(own.rgba, named.rgba)


def test_overrides_hold_for_a_preset_of_ones_own(scene: Any) -> None:
    fake = FakeTransport()
    cutout = Client(settings=Settings(), transport=fake).remove(
        scene.rgb, Preset("mine", 2048, "dynamic"), size=384, refine="none"
    )
    assert fake.requests == ["inspyrenet_384"]
    np.testing.assert_array_equal(cutout.foreground, scene.rgb)


def test_a_preset_of_ones_own_steps_down_as_the_named_one_of_its_size(scene: Any) -> None:
    fake = FakeTransport(failures=[ServerOutOfMemoryError("full.")])
    cutout = Client(settings=Settings(), transport=fake).remove(scene.rgb, Preset("mine", 2048, refine="none"))
    assert (fake.requests, cutout.preset) == (["inspyrenet_2048", "inspyrenet_1536"], "high")
    np.testing.assert_array_equal(cutout.foreground, scene.rgb)  # refined as asked
