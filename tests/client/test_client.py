from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tuft import Client, FakeTransport, ResultCache, contract
from tuft.errors import (
    ImageError,
    NoSubjectError,
    NotAnImageError,
    OptionError,
    ServerUnreachableError,
    TuftError,
)
from tuft.inference.transport.triton import TritonTransport
from tuft.presets import PRESETS, REFINEMENTS
from tuft.stopwatch import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def sizes(fake: FakeTransport) -> list[int]:
    """The working sizes that were asked for, in order."""
    return [int(model.removeprefix("inspyrenet_")) for model in fake.requests]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_finds_the_known_alpha(client: Client, scene: Any, preset: str) -> None:
    cutout = client.remove(scene.rgb, preset)
    error = np.abs(cutout.alpha / 255.0 - scene.alpha)
    assert error.mean() < 0.01
    assert error.max() < 0.25
    assert (cutout.preset, cutout.requested, cutout.fallback_reason) == (preset, preset, None)


def test_the_old_background_is_gone_from_the_edge(client: Client, scene: Any) -> None:
    edge = (scene.alpha > 0.3) & (scene.alpha < 0.7)

    def distance(preset: str) -> float:
        colours = client.remove(scene.rgb, preset).rgba[..., :3]
        return float(np.abs(colours[edge] - np.float64(scene.foreground)).mean())

    assert distance("standard") < distance("stable") / 3


def test_no_colour_remains_under_zero_alpha(client: Client, scene: Any) -> None:
    cutout = client.remove(scene.rgb)
    assert (cutout.alpha == 0).any()
    assert not cutout.rgba[cutout.alpha == 0].any()


@pytest.mark.parametrize(
    ("preset", "size_hw", "size"),
    [
        ("stable", (60, 80), 1024),
        ("standard", (60, 80), 1024),
        ("high", (60, 80), 1536),
        ("maximum", (60, 80), 2048),
        ("auto", (60, 1024), 1024),
        ("auto", (1025, 60), 1536),
        ("auto", (60, 2049), 2048),
    ],
)
def test_each_preset_asks_for_its_model(
    make_scene: Callable[..., Any], preset: str, size_hw: tuple[int, int], size: int
) -> None:
    scene = make_scene(size_hw)
    fake = FakeTransport(scene.saliency)
    cutout = Client(transport=fake).remove(scene.rgb, preset, refine="none")
    assert sizes(fake) == [size]
    assert cutout.model == contract.model_name(size)


def test_a_request_overrides_size_and_refinement(client: Client, fake: FakeTransport, scene: Any) -> None:
    plain = client.remove(scene.rgb, "maximum", size=384, refine="none")
    edges = client.remove(scene.rgb, "maximum", size=384, refine="edges")
    assert sizes(fake) == [384, 384]
    assert plain.preset == edges.preset == "maximum"
    np.testing.assert_array_equal(plain.foreground, scene.rgb)
    np.testing.assert_array_equal(edges.foreground, scene.rgb)
    assert (plain.alpha != edges.alpha).any()


def test_stable_scales_as_the_reference_does_and_the_others_do_not() -> None:
    # Everything is at least 0.6 salient: the reference stretches that to 0..1 all the same.
    saliency = np.linspace(0.6, 1.0, 1024, dtype=np.float32)[None, :].repeat(1024, axis=0)
    client = Client(transport=FakeTransport(lambda image: saliency))
    photo = np.full((64, 64, 3), 128, np.uint8)
    assert client.remove(photo, "stable").alpha.min() == 0
    assert client.remove(photo, "standard", refine="none").alpha.min() > 0


def test_every_way_to_give_a_photograph(client: Client, scene: Any, tmp_path: Path) -> None:
    image = Image.fromarray(scene.rgb)
    file = io.BytesIO()
    image.save(file, "PNG")
    (tmp_path / "disk.png").write_bytes(file.getvalue())
    wanted = client.remove(scene.rgb, size=384).rgba
    for given_as in (tmp_path / "disk.png", str(tmp_path / "disk.png"), file.getvalue(), image):
        np.testing.assert_array_equal(client.remove(given_as, size=384).rgba, wanted)
    with (tmp_path / "disk.png").open("rb") as opened:
        np.testing.assert_array_equal(client.remove(opened, size=384).rgba, wanted)


def test_a_result_is_no_more_opaque_than_its_photograph(scene: Any, rng: np.random.Generator) -> None:
    client = Client(transport=FakeTransport())  # says the same about every picture
    own = rng.integers(0, 256, scene.alpha.shape, dtype=np.uint8)
    own[:, :80] = 0
    with_alpha = client.remove(np.dstack([scene.rgb, own]), size=384, refine="none").alpha
    without = client.remove(scene.rgb, size=384, refine="none").alpha
    assert without[:, :80].any()
    assert not with_alpha[:, :80].any()
    assert np.abs(with_alpha.astype(int) - np.minimum(without, own)).max() <= 1
    again = client.remove(np.dstack([scene.rgb, without]), size=384, refine="none").alpha
    np.testing.assert_array_equal(again, without)


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    preset=st.sampled_from(tuple(PRESETS)),
    refine=st.sampled_from(REFINEMENTS),
    seed=st.integers(0, 9),
)
@settings(max_examples=15)
def test_any_photograph_keeps_its_size(height: int, width: int, preset: str, refine: Any, seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    cutout = Client(transport=FakeTransport()).remove(rgb, preset, size=384, refine=refine)
    assert cutout.rgba.shape == (height, width, 4)
    assert cutout.image.size == (width, height)
    assert not cutout.rgba[cutout.alpha == 0].any()


def test_sixteen_at_once_get_what_each_gets_alone(client: Client, scene: Any, rng: np.random.Generator) -> None:
    photos = [np.roll(scene.rgb, int(shift), axis=1) for shift in rng.integers(-40, 40, 16)]
    alone = [client.remove(photo, size=384).rgba for photo in photos]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda photo: client.remove(photo, size=384).rgba, photos))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_time_is_told_for_every_stage(client: Client, scene: Any) -> None:
    cutout = client.remove(scene.rgb)
    assert tuple(cutout.milliseconds) == STAGES
    assert all(spent > 0 for spent in cutout.milliseconds.values())


def test_settings_come_from_the_environment_and_yield_to_arguments(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUFT_PRESET", "high")
    monkeypatch.setenv("TUFT_URL", "elsewhere:9001")
    fake = FakeTransport(scene.saliency)
    assert Client(transport=fake).remove(scene.rgb, refine="none").requested == "high"
    assert Client(transport=fake, preset="stable").remove(scene.rgb).requested == "stable"
    assert Client(transport=fake, preset="stable").remove(scene.rgb, "auto", refine="none").requested == "auto"
    with Client() as client:
        assert isinstance(client.transport, TritonTransport)
        assert client.transport.server == "elsewhere:9001"


def test_nonsense_is_refused_before_anything_is_sent(client: Client, fake: FakeTransport, scene: Any) -> None:
    for arguments in ({"preset": "best"}, {"size": 1000}, {"refine": "more"}, {"timeout_s": 0}):
        with pytest.raises(OptionError):
            client.remove(scene.rgb, **arguments)
    with pytest.raises(NotAnImageError):
        client.remove(b"no picture")
    assert not fake.requests


def test_the_pixel_limit_holds(fake: FakeTransport, scene: Any) -> None:
    with pytest.raises(Exception, match="pixels"):
        Client(transport=fake, max_pixels=100).remove(scene.rgb)


def test_leaving_the_block_closes_the_connection(fake: FakeTransport, scene: Any) -> None:
    with Client(transport=fake) as client:
        client.remove(scene.rgb, size=384)
    with pytest.raises(ServerUnreachableError):
        client.remove(scene.rgb, size=384)


@pytest.mark.parametrize(
    "options",
    [
        {"preset": 5},
        {"preset": ["high"]},
        {"preset": "x" * 3_000_000},
        {"size": "384"},
        {"size": 384.0},
        {"model": 5},
        {"version": 2},
        {"refine": 1},
        {"refine": ["none"]},
        {"timeout_s": "5"},
        {"fallback": "no"},
        {"cancel": True},
        {"unit": 7},
    ],
    ids=lambda options: str(options)[:30],
)
def test_options_of_another_type_are_told_in_one_sentence(client: Client, scene: Any, options: Any) -> None:
    with pytest.raises(OptionError) as caught:
        client.remove(scene.rgb, **options)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("length", [1_999, 2_000, 2_001, 3_000_000])
def test_no_message_is_without_bound(length: int) -> None:
    text = str(TuftError("a" * (length - 1) + "z"))
    assert len(text) <= 2_000
    assert text[0] == "a"
    assert text[-1] == "z"
    assert ("…" in text) == (length > 2_000)


# --- a region of interest


def two_disks() -> np.ndarray:
    """A photograph with a disk on its left that stands out, and a fainter one on its right."""
    rows, columns = np.indices((120, 240))
    photo = np.full((120, 240, 3), 10, np.uint8)
    photo[np.hypot(rows - 60, columns - 60) < 30] = 250
    photo[np.hypot(rows - 60, columns - 180) < 30] = 150
    return photo


def brightest(image: np.ndarray) -> np.ndarray:
    """A network that finds only what is as bright as the brightest pixel."""
    return (image[..., 1] > 0.9 * image.max()).astype(np.float32)


def test_in_a_region_another_object_does_not_stand_out_more() -> None:
    photo = two_disks()
    with Client(transport=FakeTransport(brightest)) as client:
        everywhere = client.remove(photo, size=384, refine="none")
        within = client.remove(photo, size=384, refine="none", roi="50% 0 100% 100%")
        alone = client.remove(photo[:, 120:], size=384, refine="none")
    assert not everywhere.alpha[:, 120:].any()
    assert within.alpha.shape == everywhere.alpha.shape
    assert not within.rgba[:, :120].any()
    np.testing.assert_array_equal(within.rgba[:, 120:], alone.rgba)
    np.testing.assert_array_equal(within.photo, photo)
    assert within.alpha[60, 180] == 255


@settings(max_examples=20)
@given(st.data())
def test_nothing_is_kept_outside_of_a_region(data: st.DataObject) -> None:
    photo = two_disks()
    (left, right), (top, bottom) = (
        sorted((data.draw(st.integers(0, side - 1)), data.draw(st.integers(1, side - 1)))) for side in (240, 120)
    )
    with Client(transport=FakeTransport()) as client:
        cutout = client.remove(photo, size=384, refine="edges+colours", roi=(left, top, right + 1, bottom + 1))
    outside = np.ones((120, 240), bool)
    outside[top : bottom + 1, left : right + 1] = False
    assert not cutout.rgba[outside].any()
    assert cutout.alpha.any()
    np.testing.assert_array_equal(cutout.foreground[outside], photo[outside])


def test_the_photographs_own_alpha_holds_in_a_region() -> None:
    rgba = np.dstack([two_disks(), np.full((120, 240), 100, np.uint8)])
    with Client(transport=FakeTransport()) as client:
        assert client.remove(rgba, size=384, roi="25% 0 75% 100%").alpha.max() == 100


def test_regions_that_do_not_fit_are_told_before_the_server_is_asked(client: Client, fake: FakeTransport) -> None:
    for roi in ("0 0 10", "5 5 5 9"):
        with pytest.raises(OptionError, match="region"):
            client.remove(two_disks(), roi=roi)
    small, large = client.map([two_disks()[:, :100], two_disks()], size=384, roi="0 0 120 100%")
    assert type(small.error) is ImageError
    assert len(fake.requests) == 1
    assert large.cutout is not None


def test_a_region_without_a_subject_is_told() -> None:
    nothing = FakeTransport(lambda image: np.zeros(image.shape[:2], np.float32))
    with Client(transport=nothing) as client, pytest.raises(NoSubjectError):
        client.remove(two_disks(), size=384, roi="0 0 10 10")


def test_a_region_has_a_cached_result_of_its_own(tmp_path: Path) -> None:
    with Client(transport=FakeTransport(brightest), cache=ResultCache(tmp_path)) as client:
        answers = [
            client.remove(two_disks(), size=384, roi=roi) for roi in (None, "50% 0 100% 100%", "50% 0 100% 100%")
        ]
    assert [answer.from_cache for answer in answers] == [False, False, True]
    assert not np.array_equal(answers[0].rgba, answers[1].rgba)
    np.testing.assert_array_equal(answers[1].rgba, answers[2].rgba)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"timeout_s": "5"}, "timeout_s is '5': give a number"),
        ({"url": 8001}, "url is 8001: give a text"),
        ({"settings": {"timeout_s": 5}}, "give a tuft.Settings"),
        ({"headers": "x-key: s3cret"}, "headers is a str: give a dictionary of names and values"),
        ({"headers": ("x-key: s3cret",)}, "headers is a tuple"),
        ({"observers": 5}, "observers is 5: give a list"),
        ({"experiment": 5}, "experiment is 5"),
        ({"rollout": "folder"}, "rollout is 'folder'"),
        ({"cache": "folder"}, "cache is 'folder': give a tuft.ResultCache"),
        ({"transport": "localhost"}, "transport is 'localhost'"),
    ],
)
def test_arguments_of_another_type_are_told_when_the_client_is_made(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        Client(**arguments)
    assert "s3cret" not in str(caught.value)


def test_numbers_may_be_those_of_numpy(scene: Any) -> None:
    with Client(transport=FakeTransport(), timeout_s=np.float32(9)) as client:
        (found,) = client.map([scene.rgb], size=np.int64(384), timeout_s=np.int64(5), concurrency=np.int64(1))
        assert found.error is None
        with pytest.raises(OptionError, match="no concurrency True"):
            client.map([scene.rgb], concurrency=True)
