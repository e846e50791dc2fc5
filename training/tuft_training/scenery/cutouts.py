"""Real subjects cut out by hand, for scenes.

They come from Debian's package `tuxpaint-stamps-default` (version 2022.06.04-1; free licences, see training/README.md).
`cutouts.txt` lists its photographs, without the subjects of the composites.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import RGBA, Colours, Field

_LONG_SIDE_PX: Final = 512


def cutouts_folder() -> Path:
    """The folder of the package's pictures: `TUFT_CUTOUTS`, or the place where Debian installs them."""
    return Path(os.environ.get("TUFT_CUTOUTS", "/usr/share/tuxpaint/stamps"))


@functools.lru_cache(maxsize=1)
def cutout_photographs(folder: Path) -> tuple[RGBA, ...]:
    """The listed cut-outs in `folder`, with straight alpha, at most 512 pixels long; empty if there are none."""
    names = Path(__file__).with_name("cutouts.txt").read_text().split()
    paths = (folder / name for name in names)
    return tuple(_read(path) for path in paths if path.is_file())


def placed_cutout(
    rng: np.random.Generator,
    cutout: RGBA,
    scale: float,
    centre_xy: tuple[float, float],
    size_hw: tuple[int, int],
) -> tuple[Colours, Field]:
    """Scales, flips, squashes and slightly rotates a cut-out, in its own or in changed colours.

    Args:
        rng: Source of randomness.
        cutout: [h, w, 4] uint8.
        scale: Pixels of the result per pixel of the cut-out.
        centre_xy: Position of its centre in pixels.
        size_hw: Size of the result.

    Returns:
        Premultiplied colours [H, W, 3] and alpha [H, W], float32 in 0..1.
    """
    straight = cutout.astype(np.float32) / 255
    alpha = straight[:, :, 3:]
    premultiplied = np.concatenate([_recoloured(rng, straight[:, :, :3]) * alpha, alpha], axis=2)
    shrink = min(1.0, max(scale, 0.02) * 1.5)
    if shrink < 1:  # warpAffine does not antialias
        premultiplied = cv2.resize(premultiplied, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    matrix = _placement(rng, premultiplied.shape[:2], scale / shrink, centre_xy)
    height, width = size_hw
    placed = cv2.warpAffine(premultiplied, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return placed[:, :, :3], np.ascontiguousarray(placed[:, :, 3])


def _placement(
    rng: np.random.Generator, size_hw: tuple[int, ...], scale: float, centre_xy: tuple[float, float]
) -> Field:
    squash, angle = np.exp(rng.normal(0, 0.12)), rng.normal(0, 0.2)
    stretch = np.diag([scale * squash * rng.choice((-1, 1)), scale / squash])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ stretch
    middle = np.array([size_hw[1], size_hw[0]]) / 2
    offset = np.array(centre_xy) - matrix @ middle
    affine: Field = np.concatenate([matrix, offset[:, None]], axis=1).astype(np.float32)
    return affine


def _recoloured(rng: np.random.Generator, colours: Colours) -> Colours:
    """Varies the exposure and sometimes the hue, since there are only two hundred subjects."""
    result = colours ** np.float32(np.exp(rng.normal(0, 0.25)))
    result = result * rng.uniform(0.75, 1.25, 3).astype(np.float32)
    if rng.random() < 0.25:
        result = result[:, :, rng.permutation(3)]
    if rng.random() < 0.15:
        result = np.repeat(result.mean(axis=2, keepdims=True), 3, axis=2)
    return np.clip(result, 0, 1).astype(np.float32)


def _read(path: Path) -> RGBA:
    """A cut-out without its empty margins."""
    with Image.open(path) as picture:
        whole = picture.convert("RGBA")
    cutout = whole.crop(whole.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox())
    cutout.thumbnail((_LONG_SIDE_PX, _LONG_SIDE_PX), Image.Resampling.BOX)
    return np.asarray(cutout)
