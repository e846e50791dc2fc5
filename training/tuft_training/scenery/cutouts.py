"""Real subjects cut out by hand, for scenes.

They come from Debian's package `tuxpaint-stamps-default` (version 2022.06.04-1; free licences, see training/README.md).
`cutouts.txt` lists its photographs, without the subjects of the composites.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuft_training.scenery.arrays import RGBA, Colours, Field

_LONG_SIDE_PX: Final = 512
_CUT_SHARE: Final = 0.4  # of the width, opaque in the last row


class Cutouts(NamedTuple):
    """Subjects of one kind.

    Attributes:
        pictures: Each [h, w, 4] uint8, sRGB with straight alpha.
        weight: How often this kind is drawn, relative to the weights of the others.
        rendered: Whether they are renders, whose surfaces are too smooth.
    """

    pictures: tuple[RGBA, ...]
    weight: float = 1.0
    rendered: bool = False


def cutouts_folder() -> Path:
    """The folder of the package's pictures: `TUFT_CUTOUTS`, or the place where Debian installs them."""
    return Path(os.environ.get("TUFT_CUTOUTS", "/usr/share/tuxpaint/stamps"))


@functools.lru_cache(maxsize=1)
def cutout_photographs(folder: Path) -> dict[str, tuple[RGBA, ...]]:
    """The listed cut-outs in `folder` as `animals` and `things`; missing files and empty kinds are left out.

    Each is [h, w, 4] uint8 with straight alpha, at most 512 pixels long.
    """
    names = Path(__file__).with_name("cutouts.txt").read_text().split()
    return by_kind(
        ("animals" if name.startswith("animals/") else "things", read_cutout(folder / name))
        for name in names
        if (folder / name).is_file()
    )


def by_kind(pictures: Iterable[tuple[str, RGBA]]) -> dict[str, tuple[RGBA, ...]]:
    """The pictures of each kind, given kind and picture, in their order."""
    found: dict[str, list[RGBA]] = {}
    for kind, picture in pictures:
        found.setdefault(kind, []).append(picture)
    return {kind: tuple(several) for kind, several in found.items()}


def is_cut_below(cutout: RGBA) -> bool:
    """Whether a cut-out ends in a straight line below, as a portrait does that was cut off by its frame."""
    last = cutout[-1, :, 3] > 127
    return float(last.mean()) > _CUT_SHARE


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
    if scale > 1:
        placed = _crisp(placed, min(scale, 3.0))
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


def _crisp(premultiplied: Field, contrast: float) -> Field:
    """The same picture, [h, w, 4], with a steeper edge: enlarging made it as much wider."""
    alpha = premultiplied[:, :, 3:]
    steeper = np.clip((alpha - 0.5) * np.float32(contrast) + 0.5, 0, 1)
    crisp: Field = premultiplied * (steeper / np.maximum(alpha, np.float32(1e-4)))
    return crisp


def _recoloured(rng: np.random.Generator, colours: Colours) -> Colours:
    """Varies the exposure and sometimes the hue, since there are only two hundred subjects."""
    result = colours ** np.float32(np.exp(rng.normal(0, 0.25)))
    result = result * rng.uniform(0.75, 1.25, 3).astype(np.float32)
    if rng.random() < 0.25:
        result = result[:, :, rng.permutation(3)]
    if rng.random() < 0.15:
        result = np.repeat(result.mean(axis=2, keepdims=True), 3, axis=2)
    return np.clip(result, 0, 1).astype(np.float32)


def read_cutout(path: Path) -> RGBA:
    """A picture with straight alpha, [h, w, 4] uint8, without its empty margins, at most 512 pixels long."""
    with Image.open(path) as picture:
        whole = picture.convert("RGBA")
    cutout = whole.crop(whole.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox())
    cutout.thumbnail((_LONG_SIDE_PX, _LONG_SIDE_PX), Image.Resampling.BOX)
    return np.asarray(cutout)
