"""One preset, one model: how its picture is made, and how often."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tuft import Client, FakeTransport, Settings
from tuft.errors import ServerUnreachableError
from tuft.imaging import preprocess


class Seen(FakeTransport):
    """Keeps the pictures that it is sent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pictures: list[np.ndarray] = []

    def infer(self, model: str, image: np.ndarray, **options: Any) -> Any:
        self.pictures.append(image)
        return super().infer(model, image, **options)


@pytest.fixture
def wide() -> np.ndarray:
    """Twice as wide as high: black above, white below, so that margins show."""
    photo = np.zeros((32, 64, 3), np.uint8)
    photo[16:] = 255
    return photo


def black_rows(picture: np.ndarray) -> int:
    return int((picture[:, 0, 0] < 128).sum())


@pytest.mark.parametrize("preset", ["standard", "maximum"])
@pytest.mark.parametrize(("stated", "box_rows"), [("static", 64), ("dynamic", 32)])
def test_a_model_is_given_the_resize_mode_that_it_was_trained_with(
    wide: np.ndarray, preset: str, stated: Any, box_rows: int
) -> None:
    seen = Seen(adopted={"isnet": 64}, resizes={"isnet": stated})
    Client(settings=Settings(), transport=seen).remove(wide, preset, model="isnet", refine="none")
    (picture,) = seen.pictures
    expected, geometry = preprocess.network_image(wide, 64, stated)
    np.testing.assert_array_equal(picture, expected)
    assert geometry.box_hw == (box_rows, 64)


def test_a_model_that_states_none_is_given_the_presets(wide: np.ndarray) -> None:
    seen = Seen(adopted={"other": 64})
    client = Client(settings=Settings(), transport=seen)
    for preset, mode in (("standard", "static"), ("maximum", "dynamic")):
        client.remove(wide, preset, model="other", refine="none")
        np.testing.assert_array_equal(seen.pictures[-1], preprocess.network_image(wide, 64, mode)[0])  # type: ignore[arg-type]


def test_a_photograph_is_resized_once_however_often_it_is_sent(
    wide: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    resized: list[int] = []
    original = preprocess.network_image
    monkeypatch.setattr(
        preprocess, "network_image", lambda rgb, size, resize: resized.append(size) or original(rgb, size, resize)
    )
    lost = ServerUnreachableError("lost.")
    lost.transient = True
    seen = Seen(failures=[lost, lost])
    Client(settings=Settings(), transport=seen).remove(wide, size=384, refine="none")
    assert (len(seen.requests), resized) == (3, [384])
