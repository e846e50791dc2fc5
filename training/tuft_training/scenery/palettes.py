"""Typical colours of coats, cloth, skin and places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import Colours

# Hue in degrees, saturation and value in 0..1: lower and upper bounds of each family.
_Range = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

_COATS: Final[tuple[_Range, ...]] = (
    ((20, 40), (0.35, 0.75), (0.35, 0.75)),  # brown
    ((18, 34), (0.5, 0.85), (0.6, 0.95)),  # ginger
    ((28, 48), (0.15, 0.45), (0.65, 0.98)),  # cream
    ((0, 360), (0.0, 0.1), (0.02, 0.2)),  # black
    ((0, 360), (0.0, 0.12), (0.3, 0.65)),  # grey
    ((20, 60), (0.0, 0.12), (0.8, 1.0)),  # white
)
_VIVID: Final[tuple[_Range, ...]] = (
    ((0, 360), (0.5, 1.0), (0.35, 1.0)),
    ((0, 360), (0.2, 0.6), (0.2, 0.9)),
    ((0, 360), (0.0, 0.15), (0.02, 1.0)),
    ((200, 250), (0.3, 0.9), (0.1, 0.6)),
)
_SKIN: Final[tuple[_Range, ...]] = (((8, 30), (0.2, 0.65), (0.3, 0.98)),)
_PLACES: Final[tuple[_Range, ...]] = (
    ((70, 140), (0.2, 0.8), (0.15, 0.7)),  # leaves and grass
    ((20, 50), (0.15, 0.7), (0.2, 0.85)),  # earth, wood, sand
    ((190, 230), (0.1, 0.7), (0.4, 1.0)),  # sky, water
    ((0, 360), (0.0, 0.15), (0.03, 1.0)),  # walls, stone, asphalt, snow
    ((0, 360), (0.1, 0.9), (0.1, 0.95)),  # painted things
)


def coat(rng: np.random.Generator, count: int) -> Colours:
    """`count` colours of one animal's coat, [count, 3]."""
    return _sample(rng, _COATS if rng.random() < 0.8 else _VIVID, count)


def vivid(rng: np.random.Generator, count: int) -> Colours:
    """`count` colours of cloth, feathers, lacquer or plastic, [count, 3]."""
    return _sample(rng, _VIVID, count)


def skin(rng: np.random.Generator) -> Colours:
    """One colour of human skin, [1, 3]."""
    return _sample(rng, _SKIN, 1)


def place(rng: np.random.Generator, count: int) -> Colours:
    """`count` colours of a place, mostly of one family, [count, 3]."""
    family = _PLACES[rng.integers(len(_PLACES))]
    families = tuple(family if rng.random() < 0.7 else _PLACES[rng.integers(len(_PLACES))] for _ in range(count))
    return np.concatenate([_sample(rng, (one,), 1) for one in families])


def _sample(rng: np.random.Generator, families: tuple[_Range, ...], count: int) -> Colours:
    chosen = np.array([families[rng.integers(len(families))] for _ in range(count)], dtype=np.float32)
    hsv = rng.uniform(chosen[:, :, 0], chosen[:, :, 1]).astype(np.float32)
    rgb: Colours = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0]
    return rgb
