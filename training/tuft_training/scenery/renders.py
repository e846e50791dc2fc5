"""Rendered subjects for scenes: people, things and animals, of which there are few photographs with a mask.

They are Microsoft's Fluent emoji as shaded 3D pictures (MIT), from the npm package `@lobehub/fluent-emoji-3d` 1.1.0.
`renders.txt` lists those that look like a subject, by kind: no flags, no symbols, no landscapes.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from tuft_training.scenery.cutouts import by_kind, read_cutout
from tuft_training.scenery.textures import clouds, photograph_crop

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import RGB, RGBA

_SKIN_TONES: Final = frozenset({"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"})

# A picture that fills its box is a card or a tile; one that is translucent in large parts is a glow.
_FILLS_ITS_BOX: Final = 0.93
_TRANSLUCENT: Final = 0.3


def renders_folder() -> Path:
    """The folder of the package's pictures: `TUFT_RENDERS`, or where npm installs it in the working directory."""
    return Path(os.environ.get("TUFT_RENDERS", "node_modules/@lobehub/fluent-emoji-3d/assets"))


@functools.lru_cache(maxsize=1)
def rendered_subjects(folder: Path) -> dict[str, tuple[RGBA, ...]]:
    """The listed pictures in `folder` by kind, `people`, `animals` or `things`; empty kinds are left out.

    Each is [h, w, 4] uint8 with straight alpha, at most 256 pixels long. People are there in all skin tones.
    """
    lines = Path(__file__).with_name("renders.txt").read_text().splitlines()
    kind_of = {code: kind for kind, *codes in map(str.split, lines) for code in codes}
    codes = ((path, _without_skin_tone(path.stem)) for path in sorted(folder.glob("*.webp")))
    pictures = ((kind_of[code], read_cutout(path)) for path, code in codes if code in kind_of)
    return by_kind((kind, picture) for kind, picture in pictures if _has_an_outline(picture))


def roughened(rng: np.random.Generator, render: RGBA, photographs: tuple[RGB, ...]) -> RGBA:
    """A render with the uneven surface that photographs have: grain, stains and often the texture of one.

    Without it the smoothness of a render would say that it is the subject.
    """
    size_hw = (render.shape[0], render.shape[1])
    surface = 1 + rng.uniform(0.1, 0.6) * (clouds(rng, size_hw, rng.uniform(1.5, 40), 3) - 0.5)
    if photographs and rng.random() < 0.5:
        grey = photograph_crop(rng, size_hw, photographs).mean(axis=2)
        relief = grey / max(float(grey.mean()), 0.05)
        surface = surface * (1 + rng.uniform(0.2, 0.8) * (np.clip(relief, 0.2, 2) - 1))
    colours = render[:, :, :3] * surface[:, :, None]
    if rng.random() < 0.5:  # emoji are more vivid than life
        grey = colours.mean(axis=2, keepdims=True)
        colours = grey + rng.uniform(0.2, 0.9) * (colours - grey)
    rough = render.copy()
    rough[:, :, :3] = np.clip(colours, 0, 255)
    return rough


def _without_skin_tone(code: str) -> str:
    return "-".join(part for part in code.split("-") if part not in _SKIN_TONES)


def _has_an_outline(picture: RGBA) -> bool:
    alpha = picture[:, :, 3]
    visible = alpha > 8
    translucent = np.count_nonzero(visible & (alpha < 247)) / max(np.count_nonzero(visible), 1)
    return float(alpha.mean()) / 255 < _FILLS_ITS_BOX and translucent < _TRANSLUCENT
