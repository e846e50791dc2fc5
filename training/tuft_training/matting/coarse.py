"""Coarse mattes as networks give them, simulated: too soft or too hard, with parts and strands unseen, holes closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tuft_training.scenery import textures

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import RGB, Field


def coarse_matte(rng: np.random.Generator, alpha: Field, image: RGB, size_px: int) -> Field:
    """A network's idea of `alpha` ([H, W] float32, 0..1) of an image, as if it had worked at `size_px` squared."""
    height, width = alpha.shape
    small = cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA)
    seen = cv2.resize(alpha, (size_px, size_px), interpolation=cv2.INTER_AREA if size_px < height else cv2.INTER_LINEAR)
    if rng.random() < 0.85:
        seen = _shifted(rng, seen)
    for defect, chance in ((_strands_unseen, 0.75), (_swollen, 0.55), (_holes_closed, 0.5)):
        if rng.random() < chance:
            weight = _places(rng, seen.shape[0])
            seen = seen + weight * (defect(rng, seen) - seen)
    if rng.random() < 0.5:  # thin strands as opaque as thick ones
        seen = np.clip(seen * np.float32(np.exp(rng.uniform(0, 2.2))), 0, 1)
    soft = cv2.GaussianBlur(seen, (0, 0), rng.uniform(0.3, 2.0))
    softer = cv2.GaussianBlur(seen, (0, 0), rng.uniform(1.5, 6))
    weight = _places(rng, seen.shape[0]) * np.float32(rng.random())
    seen = soft + weight * (softer - soft)
    if rng.random() < 0.75:
        seen = _hardened(rng, seen)
    if rng.random() < 0.3:
        uncertain = 4 * seen * (1 - seen)
        seen = seen + uncertain * rng.uniform(0, 0.4) * (textures.clouds(rng, seen.shape, rng.uniform(3, 30)) - 0.5)
    if rng.random() < 0.65:
        seen = _doubted(rng, seen, small)
    if rng.random() < 0.4:  # not quite opaque, not quite clear
        haze = textures.clouds(rng, seen.shape, seen.shape[0] / rng.uniform(2, 20), 2)
        seen = seen * (1 - rng.uniform(0, 0.2) * haze) + rng.uniform(0, 0.06) * (1 - haze)
    seen = np.clip(seen, 0, 1).astype(np.float32)
    coarse: Field = cv2.resize(seen, (width, height), interpolation=cv2.INTER_LINEAR)
    return coarse


def _places(rng: np.random.Generator, side: int) -> Field:
    """1 in some regions, 0 in others, with soft borders."""
    field = textures.clouds(rng, (side, side), side / rng.uniform(2, 12))
    return textures.thresholded(field, rng.uniform(0.2, 0.8), 0.1)


def _shifted(rng: np.random.Generator, seen: Field) -> Field:
    side = seen.shape[0]
    reach = rng.uniform(0, 3) if rng.random() < 0.8 else rng.uniform(3, 8)
    cell = rng.uniform(6, 60)
    moves = [(textures.clouds(rng, (side, side), cell) - 0.5) * np.float32(2 * reach) for _ in range(2)]
    y, x = np.mgrid[:side, :side].astype(np.float32)
    shifted: Field = cv2.remap(seen, x + moves[0], y + moves[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return shifted


def _doubted(rng: np.random.Generator, seen: Field, image: RGB) -> Field:
    """Whole parts of the subject half seen, or of the background half taken for it.

    The parts are regions of similar colours, as networks miss them: a petal, a strand of hair, a shadow.
    """
    side = seen.shape[0]
    smooth = cv2.GaussianBlur(image, (0, 0), side / rng.uniform(60, 300)).astype(np.float32)
    for _ in range(rng.integers(1, 5)):
        y, x = rng.integers(0, side, 2)
        if rng.random() < 0.8:  # mostly near an edge or within the subject
            places = np.flatnonzero(seen > 0.3)
            if len(places):
                y, x = divmod(int(places[rng.integers(len(places))]), side)
        distance = np.linalg.norm(smooth - smooth[y, x], axis=2) / np.float32(rng.uniform(8, 50))
        down, across = np.mgrid[:side, :side].astype(np.float32)
        reach = side * rng.uniform(0.03, 0.25)
        away = np.hypot(down - y, across - x) / np.float32(reach)
        part = np.clip(1.7 - distance, 0, 1) * np.clip(1.5 - away, 0, 1)
        part = cv2.GaussianBlur(part, (0, 0), rng.uniform(0.7, 5))
        mottled = 1 + rng.uniform(0, 0.8) * (textures.clouds(rng, (side, side), rng.uniform(3, 40), 2) - 0.5)
        level = rng.uniform(0, 0.75) if seen[y, x] > 0.5 else rng.uniform(0.1, 0.9)
        seen = seen + part * (np.float32(level) * mottled - seen)
    return seen


def _strands_unseen(rng: np.random.Generator, seen: Field) -> Field:
    return _kernelled(cv2.MORPH_OPEN, rng, seen, 1.5, 9)


def _swollen(rng: np.random.Generator, seen: Field) -> Field:
    return _kernelled(cv2.MORPH_DILATE if rng.random() < 0.6 else cv2.MORPH_ERODE, rng, seen, 1, 4)


def _holes_closed(rng: np.random.Generator, seen: Field) -> Field:
    return _kernelled(cv2.MORPH_CLOSE, rng, seen, 2, 14)


def _kernelled(operation: int, rng: np.random.Generator, seen: Field, least: float, most: float) -> Field:
    side = 2 * round(rng.uniform(least, most)) + 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    changed: Field = cv2.GaussianBlur(cv2.morphologyEx(seen, operation, disk), (0, 0), side / 6)
    return changed


def _hardened(rng: np.random.Generator, seen: Field) -> Field:
    gain, middle = np.exp(rng.uniform(np.log(1.5), np.log(12))), rng.uniform(0.3, 0.7)
    ends = 1 / (1 + np.exp(-gain * (np.array([0, 1]) - middle)))
    hard: Field = (1 / (1 + np.exp(-gain * (seen - np.float32(middle)))) - ends[0]) / np.float32(ends[1] - ends[0])
    return hard
