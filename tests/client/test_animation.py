"""`Client.remove_frames` and its result."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tuft import Client, CutoutAnimation, FakeTransport, NoSubjectError, OptionError, ServerBusyError, Settings
from tuft.imaging import load_frames
from tuft.imaging.animation import encode_animation

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DURATIONS_MS = (30, 60, 90)
LEVELS = (40, 120, 200)


@pytest.fixture
def gif() -> bytes:
    frames = [np.full((32, 32, 3), level, np.uint8) for level in LEVELS]
    return encode_animation(frames, DURATIONS_MS, "gif", plays=2)


def saliency(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Finds the upper half, but nothing in a frame of level 120."""
    found = np.zeros(image.shape[:2], np.float32)
    if image.mean() != 120:
        found[: len(found) // 2] = 1
    return found


def animated(gif: bytes, **settings: object) -> CutoutAnimation:
    with Client(transport=FakeTransport(saliency), settings=Settings(**settings)) as client:  # type: ignore[arg-type]
        return client.remove_frames(gif, refine="none")


@pytest.mark.parametrize("isolated", [False, True])
def test_every_frame_is_cut_out_and_one_without_a_subject_is_empty(gif: bytes, isolated: bool) -> None:
    animation = animated(gif, isolate_decoding=isolated)
    assert (animation.durations_ms, animation.plays) == (DURATIONS_MS, 2)
    for cutout, level in zip(animation.cutouts, LEVELS, strict=True):
        np.testing.assert_array_equal(cutout.photo, level)
        assert cutout.alpha[:14].min() == (0 if level == 120 else 255)
        assert cutout.alpha[18:].max() == 0


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_the_suffix_decides_what_is_written(suffix: str, gif: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    animated(gif).save(path)
    frames = load_frames(path)
    assert (len(frames.photos), frames.durations_ms, frames.plays) == (3, DURATIONS_MS, 2)
    with Image.open(path) as image:
        assert image.format == suffix[1:].upper()
    alphas = [photo.alpha for photo in frames.photos]
    assert all(alpha is not None and alpha[18:].max() == 0 for alpha in alphas)


def test_over_a_background_and_as_a_mask(gif: bytes) -> None:
    animation = animated(gif)
    green = load_frames(animation.to_bytes("png", background=(0, 255, 0))).photos
    assert [tuple(photo.rgb[-1, 0].tolist()) for photo in green] == [(0, 255, 0)] * 3
    mask = load_frames(animation.to_bytes("webp", output_type="mask")).photos
    assert [int(photo.rgb[0, 0, 0]) for photo in mask] == [255, 0, 255]


@pytest.mark.parametrize("name", ["out.jpg", "out", "out.zip"])
def test_other_suffixes_are_refused(name: str, gif: bytes, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"\.webp, \.png, \.gif"):
        animated(gif).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_without_any_subject_and_with_a_failing_server_there_is_an_error(gif: bytes) -> None:
    nothing = FakeTransport(lambda image: np.zeros(image.shape[:2], np.float32))
    with Client(transport=nothing) as client, pytest.raises(NoSubjectError):
        client.remove_frames(gif)
    failing = FakeTransport(saliency, failures=[ServerBusyError("busy")] * 50)
    with Client(transport=failing, fallback=False, timeout_s=1) as client, pytest.raises(ServerBusyError):
        client.remove_frames(gif)


def test_of_an_animation_the_first_frame_is_cut_out_and_one_line_says_so(
    gif: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "dog.gif"
    path.write_bytes(gif)
    still = io.BytesIO()
    Image.new("RGB", (32, 32), "white").save(still, "PNG")
    with caplog.at_level(logging.WARNING, "tuft"), Client(transport=FakeTransport(saliency)) as client:
        cutout = client.remove(path)
        client.remove(still.getvalue())
        client.remove_frames(path)
    np.testing.assert_array_equal(cutout.photo, LEVELS[0])
    lines = [record.getMessage() for record in caplog.records if record.name == "tuft"]
    assert lines == [f"{path} is an animation: its first frame is cut out (remove_frames or --all-frames does all)."]
