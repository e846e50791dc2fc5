"""The matting stage in a request: asked where the preset says so, and classical edges where it does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tuft import Client, FakeTransport, contract
from tuft.errors import InferenceError, RequestCancelledError, ServerBusyError
from tuft.inference.resilience import CancelToken
from tuft.inference.transport.fake import ALL_MODELS, refined_plane

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Scene
    from numpy.typing import NDArray


def solid(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.full((*planes.shape[:3], 1), 255, np.uint8)


@pytest.mark.parametrize(
    ("preset", "asks"), [("maximum", True), ("express", True), ("standard", False), ("stable", False)]
)
def test_presets_ask_the_stage_or_not(make_scene: Callable[..., Scene], preset: str, asks: bool) -> None:
    scene = make_scene()
    fake = FakeTransport(scene.saliency)
    cutout = Client(transport=fake).remove(scene.rgb, preset=preset)
    assert (fake.tiles > 0) is asks
    assert cutout.fallback_reason is None


def test_what_the_stage_decides_is_in_the_cut_out(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    kept = Client(transport=FakeTransport(scene.saliency)).remove(scene.rgb, preset="express")
    filled = Client(transport=FakeTransport(scene.saliency, matte_from_planes=solid)).remove(
        scene.rgb, preset="express"
    )
    edge = (scene.alpha > 0.05) & (scene.alpha < 0.95)
    assert filled.alpha[edge].mean() > kept.alpha[edge].mean() + 50


def test_without_the_stage_edges_are_classical_and_the_result_says_so(make_scene: Callable[..., Scene]) -> None:
    scene, preset = make_scene(), "express"
    cutout = Client(transport=FakeTransport(scene.saliency, models=ALL_MODELS)).remove(scene.rgb, preset=preset)
    classical = Client(transport=FakeTransport(scene.saliency)).remove(scene.rgb, preset=preset, refine="edges+colours")
    np.testing.assert_array_equal(cutout.rgba, classical.rgba)
    assert cutout.preset == preset
    assert cutout.fallback_reason is not None
    assert "classical" in cutout.fallback_reason
    assert "matting" in cutout.fallback_reason
    assert classical.fallback_reason is None


@pytest.mark.parametrize("failure", [ServerBusyError("full"), InferenceError("broken")])
def test_no_failure_of_the_stage_costs_the_cut_out(make_scene: Callable[..., Scene], failure: Exception) -> None:
    scene = make_scene()

    def failing(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        raise failure

    with Client(transport=FakeTransport(scene.saliency, matte_from_planes=failing)) as client:
        cutout = client.remove(scene.rgb, preset="express", timeout_s=5)
    assert str(failure) in str(cutout.fallback_reason)


def test_an_answer_of_another_shape_is_not_used(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    fake = FakeTransport(scene.saliency, matte_from_planes=lambda planes: refined_plane(planes)[:, ::2])
    cutout = Client(transport=fake).remove(scene.rgb, preset="express")
    assert "tiles of" in str(cutout.fallback_reason)


def test_a_cancelled_request_is_cancelled_in_the_stage_too(make_scene: Callable[..., Scene]) -> None:
    scene, token = make_scene(), CancelToken()

    def cancelling(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        token.cancel()
        return refined_plane(planes)

    with pytest.raises(RequestCancelledError):
        Client(transport=FakeTransport(scene.saliency, matte_from_planes=cancelling)).remove(
            scene.rgb, preset="express", cancel=token
        )


def test_a_result_without_the_stage_is_not_kept(make_scene: Callable[..., Scene], tmp_path: object) -> None:
    from tuft import ResultCache

    scene, cache = make_scene(), ResultCache(str(tmp_path))
    without = FakeTransport(scene.saliency, models=ALL_MODELS)
    assert Client(transport=without, cache=cache).remove(scene.rgb, preset="express").fallback_reason
    stage = FakeTransport(scene.saliency)
    assert Client(transport=stage, cache=cache).remove(scene.rgb, preset="express").fallback_reason is None
    assert stage.tiles > 0


def test_the_stage_is_one_of_tufts_own_models() -> None:
    assert contract.MATTING_MODEL not in FakeTransport().other_models()
