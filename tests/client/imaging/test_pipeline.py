"""Pictures that come in with an alpha of their own."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support.picture_files import file_of

from tuft import Client, FakeTransport
from tuft.errors import NoSubjectError
from tuft.imaging import load_photo, pipeline
from tuft.presets import PRESETS, REFINEMENTS, overridden


def disk(level: int, *, hole: int = 0) -> np.ndarray:
    """RGBA: a disk of one grey level with a soft edge."""
    rows, columns = np.indices((96, 96)) - 47.5
    radius = np.hypot(rows, columns)
    alpha = np.clip((40 - radius) / 8, 0, 1) * 255
    rgba = np.zeros((96, 96, 4), np.uint8)
    rgba[..., :3] = level
    rgba[..., 3] = np.rint(alpha)
    return rgba


@pytest.mark.parametrize("level", [0, 128, 255])
def test_where_the_network_finds_nothing_the_files_own_alpha_tells_the_subject(level: int) -> None:
    rgba = disk(level)
    photo = load_photo(rgba)
    preset = PRESETS["standard"]
    prepared = pipeline.prepare(photo, preset)
    nothing = np.full((prepared.geometry.size,) * 2, 0.01, np.float32)
    matte = pipeline.finish(photo, nothing, prepared.geometry, preset)
    assert (matte.alpha <= rgba[..., 3]).all()
    assert (matte.alpha[rgba[..., 3] == 255] == 255).all()


def test_a_picture_that_is_opaque_or_empty_still_has_no_subject() -> None:
    preset = PRESETS["standard"]
    opaque = np.full((96, 96, 3), 90, np.uint8)
    veiled = np.dstack([opaque, np.full((96, 96), 200, np.uint8)])
    empty = np.dstack([opaque, np.zeros((96, 96), np.uint8)])
    for array in (opaque, veiled, empty):
        photo = load_photo(array)
        prepared = pipeline.prepare(photo, preset)
        with pytest.raises(NoSubjectError):
            pipeline.finish(photo, np.zeros((prepared.geometry.size,) * 2, np.float32), prepared.geometry, preset)


@pytest.mark.parametrize("refine", REFINEMENTS)
@pytest.mark.parametrize("level", [20, 140, 250])
def test_an_edge_keeps_the_colours_of_the_file_not_of_the_backdrop(level: int, refine: str) -> None:
    rgba = disk(level)
    preset = overridden(PRESETS["standard"], size=None, refine=refine)  # type: ignore[arg-type]
    photo = load_photo(file_of(Image.fromarray(rgba), "PNG"))
    prepared = pipeline.prepare(photo, preset)
    everything = np.ones((prepared.geometry.size,) * 2, np.float32)
    everything[0, 0] = 0
    matte = pipeline.finish(photo, everything, prepared.geometry, preset)
    assert (matte.alpha <= rgba[..., 3]).all()
    soft = (rgba[..., 3] > 0) & (rgba[..., 3] < 255)
    error = np.abs(matte.foreground[soft].astype(float) - level) * (rgba[..., 3][soft] / 255)[:, None]
    assert error.max() <= 1


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_cutout_cut_out_again_is_itself(level: int) -> None:
    """With an untaught network that takes the middle for the subject."""
    rgba = disk(level)
    with Client(transport=FakeTransport()) as client:
        again = client.remove(rgba).rgba
    assert (again[..., 3] <= rgba[..., 3]).all()
    middle = (slice(40, 56), slice(40, 56))
    np.testing.assert_array_equal(again[middle], rgba[middle])
