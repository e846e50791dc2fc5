"""What happens when the server has no room for a preset."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tuft import Client, FakeTransport, Settings
from tuft.errors import (
    ContractError,
    InferenceError,
    ModelUnavailableError,
    ServerBusyError,
    ServerError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def full() -> ServerOutOfMemoryError:
    return ServerOutOfMemoryError("no memory")


def busy() -> ServerBusyError:
    return ServerBusyError("queue full")


def sizes(fake: FakeTransport) -> list[int]:
    """The working sizes that were asked for, in order."""
    return [int(model.removeprefix("inspyrenet_")) for model in fake.requests]


@pytest.mark.parametrize(
    ("preset", "failures", "asked", "served"),
    [
        ("maximum", [full()], [2048, 1536], "high"),
        ("maximum", [full(), busy()], [2048, 1536, 1024], "standard"),
        ("high", [busy()], [1536, 1024], "standard"),
    ],
)
def test_a_server_without_room_is_asked_for_less(
    scene: Any, preset: str, failures: list[ServerError], asked: list[int], served: str
) -> None:
    fake = FakeTransport(scene.saliency, failures=failures)
    client = Client(transport=fake)
    cutout = client.remove(scene.rgb, preset, refine="none")
    assert sizes(fake) == asked
    assert (cutout.preset, cutout.requested) == (served, preset)
    assert cutout.fallback_reason == " ".join(map(str, failures))
    assert client.fallbacks == 1
    assert client.remove(scene.rgb, preset, refine="none").fallback_reason is None
    assert client.fallbacks == 1


def test_auto_steps_down_by_its_size(make_scene: Callable[..., Any]) -> None:
    scene = make_scene((50, 2050))
    fake = FakeTransport(scene.saliency, failures=[full()])
    cutout = Client(transport=fake).remove(scene.rgb, "auto", refine="none")
    assert sizes(fake) == [2048, 1536]
    assert (cutout.preset, cutout.requested) == ("high", "auto")


def test_a_smaller_preset_keeps_the_refinement_asked_for(scene: Any) -> None:
    fake = FakeTransport(scene.saliency, failures=[full()])
    cutout = Client(transport=fake).remove(scene.rgb, "high", refine="none")
    np.testing.assert_array_equal(cutout.foreground, scene.rgb)


@pytest.mark.parametrize("options", [{"size": 2048}, {"fallback": False}])
def test_no_smaller_one_when_it_was_ruled_out(scene: Any, options: dict[str, Any]) -> None:
    fake = FakeTransport(scene.saliency, failures=[full()])
    with pytest.raises(ServerOutOfMemoryError):
        Client(transport=fake).remove(scene.rgb, "maximum", **options)
    assert sizes(fake) == [2048]


@pytest.mark.parametrize("preset", ["standard", "stable"])
def test_nothing_is_below_the_smallest(scene: Any, preset: str) -> None:
    fake = FakeTransport(scene.saliency, failures=[busy()])
    with pytest.raises(ServerBusyError):
        Client(transport=fake).remove(scene.rgb, preset)
    assert sizes(fake) == [1024]


@pytest.mark.parametrize(
    "failure",
    [
        ServerTimeoutError("late"),
        ContractError("other"),
        InferenceError("boom"),
    ],
)
def test_other_failures_are_the_callers(scene: Any, failure: ServerError) -> None:
    fake = FakeTransport(scene.saliency, failures=[failure])
    with pytest.raises(type(failure)):
        Client(transport=fake).remove(scene.rgb, "maximum")
    assert sizes(fake) == [2048]


def test_stable_is_the_last_resort_if_that_is_wanted(scene: Any) -> None:
    failures = [busy(), busy(), busy()]
    fake = FakeTransport(scene.saliency, failures=failures)
    client = Client(transport=fake, settings=Settings(stable_last=True))
    cutout = client.remove(scene.rgb, "maximum")
    assert sizes(fake) == [2048, 1536, 1024, 1024]
    assert (cutout.preset, cutout.requested) == ("stable", "maximum")
    # As `stable` always is: the reference's scaling, no refinement.
    np.testing.assert_array_equal(cutout.rgba, client.remove(scene.rgb, "stable").rgba)
    fake.failures.append(busy())
    with pytest.raises(ServerBusyError):
        client.remove(scene.rgb, "stable")


def test_settings_say_what_a_smaller_one_may_serve_for(scene: Any) -> None:
    fake = FakeTransport(scene.saliency, failures=[ServerTimeoutError("late.")])
    client = Client(transport=fake, settings=Settings(fallback_on=("timeout",)))
    assert client.remove(scene.rgb, "high", refine="none").fallback_reason == "late."
    fake.failures.append(full())
    with pytest.raises(ServerOutOfMemoryError):
        client.remove(scene.rgb, "high")


def test_a_model_that_fails_too_often_is_stepped_round(scene: Any) -> None:
    fake = FakeTransport(scene.saliency, failures=[InferenceError("boom.")] * 2)
    client = Client(transport=fake, settings=Settings(breaker_failures=2))
    for _ in range(2):
        with pytest.raises(InferenceError):
            client.remove(scene.rgb, "high")
    assert client.circuits == {"inspyrenet_1536": "open"}
    assert client.remove(scene.rgb, "high", refine="none").preset == "standard"
    assert sizes(fake) == [1536, 1536, 1024]


def test_a_smaller_model_that_is_not_served_is_passed_over(scene: Any) -> None:
    served = ("inspyrenet_1024", "inspyrenet_2048")
    fake = FakeTransport(scene.saliency, failures=[full()], models=served)
    assert Client(transport=fake).remove(scene.rgb, "maximum", refine="none").preset == "standard"


def test_a_server_of_fewer_sizes_serves_what_it_has_and_says_so(scene: Any) -> None:
    fake = FakeTransport(scene.saliency, models=("inspyrenet_384", "inspyrenet_1024"))
    client = Client(transport=fake)
    cutout = client.remove(scene.rgb, "maximum", refine="none")
    assert sizes(fake) == [2048, 1536, 1024]
    assert (cutout.preset, cutout.requested) == ("standard", "maximum")
    assert "no model inspyrenet_2048" in str(cutout.fallback_reason)
    assert client.fallbacks == 1


@pytest.mark.parametrize(
    "options", [{"model": "inspyrenet_2049"}, {"size": 2048}, {"fallback": False}, {"version": "7"}]
)
def test_what_was_asked_for_by_name_is_not_replaced_if_it_is_missing(scene: Any, options: dict[str, Any]) -> None:
    fake = FakeTransport(scene.saliency, models=("inspyrenet_1024",))
    with pytest.raises(ModelUnavailableError):
        Client(transport=fake).remove(scene.rgb, "maximum", **options)
    assert set(sizes(fake)) <= {2048}


def test_a_missing_model_is_an_error_if_settings_say_so(scene: Any) -> None:
    fake = FakeTransport(scene.saliency, models=("inspyrenet_1024",))
    with pytest.raises(ModelUnavailableError, match="inspyrenet_2048"):
        Client(transport=fake, settings=Settings(fallback_on=("memory", "busy"))).remove(scene.rgb, "maximum")


def test_if_no_size_is_served_the_one_asked_for_is_named(scene: Any) -> None:
    fake = FakeTransport(scene.saliency, models=("inspyrenet_384",))
    with pytest.raises(ModelUnavailableError, match="inspyrenet_2048"):
        Client(transport=fake).remove(scene.rgb, "maximum")


def test_when_all_fail_the_first_failure_is_told(scene: Any) -> None:
    fake = FakeTransport(scene.saliency, failures=[full(), busy(), busy()])
    client = Client(transport=fake)
    with pytest.raises(ServerOutOfMemoryError):
        client.remove(scene.rgb, "maximum")
    assert client.fallbacks == 0


def test_all_attempts_share_the_time_allowed(scene: Any) -> None:
    allowed: list[float] = []

    class Slow(FakeTransport):
        def infer(self, model: str, image: NDArray[np.uint8], *, timeout_s: float, options: Any = None) -> Any:
            allowed.append(timeout_s)
            time.sleep(0.05)
            return super().infer(model, image, timeout_s=timeout_s, options=options)

    transport = Slow(scene.saliency, failures=[full(), full()])
    Client(transport=transport, timeout_s=99).remove(scene.rgb, "maximum", refine="none", timeout_s=7)
    assert 6 < allowed[0] <= 7
    assert allowed[1] <= allowed[0] - 0.05
    assert allowed[2] <= allowed[1] - 0.05


def test_fallbacks_are_counted_among_threads(scene: Any) -> None:
    def saliency(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        if image.shape[0] > 1024:
            raise busy()
        return scene.saliency(image)  # type: ignore[no-any-return]

    client = Client(transport=FakeTransport(saliency))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.remove(scene.rgb, "high", refine="none"), range(8)))
    assert client.fallbacks == 8
