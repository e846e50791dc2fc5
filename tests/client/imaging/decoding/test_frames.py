"""Animations frame by frame: what is shown, for how long and how often."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageSequence
from support import bombs
from support.picture_files import file_of

from tuft.errors import ImageError, ImageTooLargeError, OptionError
from tuft.imaging import IsolatedDecoder, load_frames, load_photo
from tuft.imaging.animation import encode_animation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DURATIONS_MS = (40, 200, 1000)
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def frame(place: int) -> NDArray[np.uint8]:
    """A square of one colour at a place of its own, on transparent ground."""
    rgba = np.zeros((24, 32, 4), np.uint8)
    rgba[4:12, 8 * place : 8 * place + 8] = (*COLOURS[place], 255)
    return rgba


FRAMES = [frame(place) for place in range(3)]


def animation(format: str, plays: int = 0) -> bytes:
    return encode_animation(FRAMES, DURATIONS_MS, format, plays=plays)


@pytest.mark.parametrize("format", ["webp", "png", "gif"])
@pytest.mark.parametrize("plays", [0, 1, 3])
def test_what_is_encoded_is_read_again(format: str, plays: int, decoder: IsolatedDecoder) -> None:
    file = animation(format, plays)
    for load in (load_frames, decoder.frames):
        frames = load(file)
        assert frames.durations_ms == DURATIONS_MS
        assert frames.plays == plays
        for photo, rgba in zip(frames.photos, FRAMES, strict=True):
            np.testing.assert_array_equal(photo.alpha, rgba[..., 3])
            np.testing.assert_array_equal(photo.rgb[rgba[..., 3] > 0], rgba[rgba[..., 3] > 0][:, :3])


@pytest.mark.parametrize("format", ["webp", "png", "gif"])
def test_other_readers_see_each_frame_replace_the_one_before(format: str) -> None:
    """Pillow composites frames as viewers do: with disposal and blending."""
    with Image.open(io.BytesIO(animation(format))) as image:
        seen = [np.asarray(each.convert("RGBA")) for each in ImageSequence.Iterator(image)]
    for rgba, expected in zip(seen, FRAMES, strict=True):
        np.testing.assert_array_equal(rgba[..., 3], expected[..., 3])
        np.testing.assert_array_equal(rgba[expected[..., 3] > 0], expected[expected[..., 3] > 0])


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_a_gifs_frames_are_read_with_what_earlier_ones_left(disposal: int) -> None:
    """Against Pillow's own composition; the second frame covers a part of the first."""
    images = [Image.new("RGB", (20, 20), "red").quantize(4), Image.new("RGB", (20, 20), "blue").quantize(4)]
    images[1].paste(0, (10, 0, 20, 20))
    file = file_of(images[0], "GIF", save_all=True, append_images=images[1:], disposal=disposal, duration=50, loop=2)
    with Image.open(io.BytesIO(file)) as image:
        expected = [np.asarray(each.convert("RGB")) for each in ImageSequence.Iterator(image)]
    frames = load_frames(file)
    assert frames.plays == 3  # twice more
    for photo, rgb in zip(frames.photos, expected, strict=True):
        np.testing.assert_array_equal(photo.rgb, rgb)


def test_a_gif_without_a_loop_is_played_once() -> None:
    images = [Image.new("P", (8, 8), 0), Image.new("P", (8, 8), 1)]
    assert load_frames(file_of(images[0], "GIF", save_all=True, append_images=images[1:], optimize=False)).plays == 1


def test_an_apngs_picture_for_readers_without_animations_is_no_frame() -> None:
    default, *others = (Image.new("RGB", (8, 8), colour) for colour in COLOURS)
    file = file_of(default, "PNG", save_all=True, append_images=others, default_image=True, duration=70)
    frames = load_frames(file)
    assert [tuple(photo.rgb[0, 0].tolist()) for photo in frames.photos] == list(COLOURS[1:])
    assert load_photo(file).animated


def test_avif() -> None:
    images = [Image.new("RGB", (64, 64), colour) for colour in COLOURS]
    frames = load_frames(file_of(images[0], "AVIF", save_all=True, append_images=images[1:], duration=100))
    assert len(frames.photos) == 3
    for photo, colour in zip(frames.photos, COLOURS, strict=True):
        assert np.abs(photo.rgb.astype(int) - colour).max() < 12


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "TIFF"])
def test_a_picture_that_does_not_move_has_one_frame(format: str, picture: NDArray[np.uint8]) -> None:
    image = Image.fromarray(picture)
    more: dict[str, Any] = {"save_all": True, "append_images": [image.rotate(180)]} if format == "TIFF" else {}
    frames = load_frames(file_of(image, format, **more))
    assert (len(frames.photos), frames.durations_ms, frames.plays) == (1, (0,), 1)
    assert not load_photo(file_of(image, format, **more)).animated


def test_what_is_no_file_has_one_frame(picture: NDArray[np.uint8], decoder: IsolatedDecoder) -> None:
    for source in (picture, Image.fromarray(picture), load_photo(picture)):
        for load in (load_frames, decoder.frames):
            np.testing.assert_array_equal([photo.rgb for photo in load(source).photos], [picture])


def test_only_animations_are_called_so(decoder: IsolatedDecoder) -> None:
    for format in ("webp", "png", "gif"):
        assert load_photo(animation(format)).animated
        assert decoder(animation(format)).animated
        assert load_photo(io.BytesIO(animation(format))).rgb.shape == (24, 32, 3)


# --- limits and damage


def test_the_pixels_of_all_frames_are_limited_together(decoder: IsolatedDecoder) -> None:
    file = animation("webp")
    most = 3 * 24 * 32
    for load in (load_frames, decoder.frames):
        assert len(load(file, max_pixels=most).photos) == 3
        with pytest.raises(ImageTooLargeError, match="allowed for all together"):
            load(file, max_pixels=most - 1)


@pytest.mark.parametrize("make", [lambda: bombs.gif_of_frames(50_000), lambda: bombs.webp_of_frames(100_000)])
def test_endless_frames_are_refused_soon(make: Callable[[], bytes], decoder: IsolatedDecoder) -> None:
    with pytest.raises(ImageTooLargeError, match="more than 2000 frames"):
        decoder.frames(make())


@pytest.mark.parametrize("format", ["webp", "png", "gif"])
def test_a_damaged_animation_ends_in_an_error_or_in_frames_of_one_size(format: str, rng: np.random.Generator) -> None:
    file = animation(format)
    for _ in range(60):
        broken = bytearray(file)
        for place in rng.integers(0, len(file), 2):
            broken[place] ^= 1 << rng.integers(0, 8)
        try:
            frames = load_frames(bytes(broken), max_pixels=1_000_000)
        except ImageError:
            continue
        assert len({photo.size_hw for photo in frames.photos}) == 1
        assert len(frames.photos) == len(frames.durations_ms)


# --- encoding


def test_a_gif_keeps_many_colours_and_a_hard_edge(rng: np.random.Generator) -> None:
    ramp = np.arange(200, dtype=np.uint8).repeat(4).reshape(20, 40)
    rgba = np.dstack([ramp, ramp, ramp, np.where(ramp > 100, 255, ramp)]).astype(np.uint8)
    file = encode_animation([rgba, rgba[::-1]], (10, 20), "gif")
    photo = load_frames(file).photos[0]
    np.testing.assert_array_equal(photo.alpha, np.where(rgba[..., 3] >= 128, 255, 0))
    assert np.abs(photo.rgb[..., 0].astype(int) - ramp)[ramp > 100].max() <= 2


def test_what_cannot_be_an_animation_is_refused() -> None:
    with pytest.raises(OptionError, match="choose one of webp, png, gif"):
        encode_animation(FRAMES, DURATIONS_MS, "jpeg")
    with pytest.raises(OptionError, match="need one size"):
        encode_animation([FRAMES[0], FRAMES[1][1:]], (1, 2), "webp")


def test_frames_without_alpha_and_in_grey() -> None:
    for frames in ([each[..., :3].copy() for each in FRAMES], [each[..., 3].copy() for each in FRAMES]):
        for format in ("webp", "png", "gif"):
            loaded = load_frames(encode_animation(frames, DURATIONS_MS, format))
            for photo, expected in zip(loaded.photos, frames, strict=True):
                assert photo.alpha is None
                shown = expected if expected.ndim == 3 else np.dstack([expected] * 3)
                np.testing.assert_array_equal(photo.rgb, shown)
