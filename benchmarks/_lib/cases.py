"""Pictures whose alpha and foreground colours are known exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tuft_training.samples import HELD_OUT_SEED
from tuft_training.scenes import scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Case:
    """One picture with its ground truth.

    Attributes:
        name: Unique.
        category: `composite`, or the category of a scene.
        photo: uint8 [h, w, 3].
        alpha: float32 [h, w], 0..1.
        foreground: uint8 [h, w, 3], meaningful where alpha > 0.
    """

    name: str
    category: str
    photo: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    foreground: NDArray[np.uint8]


def held_out_scenes(count: int, size_hw: tuple[int, int], first: int = 0) -> Iterator[Case]:
    """Yields `count` scenes that no checkpoint was trained on, skipping those without a subject."""
    seed = HELD_OUT_SEED + first
    while count:
        made = scene(seed, size_hw)
        if made.category != "none":
            yield Case(f"scene {seed - HELD_OUT_SEED}", made.category, made.image, made.alpha, made.foreground)
            count -= 1
        seed += 1


def composites(folder: Path) -> Iterator[Case]:
    """Yields subjects composed onto photographs: `NAME_image.png` with `NAME_fg_rgba.png` beside it in `folder`."""
    for path in sorted(folder.glob("*_image.png")):
        name = path.name.removesuffix("_image.png")
        with Image.open(path) as image, Image.open(path.with_name(f"{name}_fg_rgba.png")) as subject:
            rgba = np.asarray(subject.convert("RGBA"))
            alpha = rgba[..., 3].astype(np.float32) / 255
            yield Case(name, "composite", np.asarray(image.convert("RGB")), alpha, np.ascontiguousarray(rgba[..., :3]))
