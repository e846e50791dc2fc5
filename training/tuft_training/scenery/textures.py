"""Textures: fields of noise, stripes, spots and cells, and their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import RGB, Colours, Field


def clouds(rng: np.random.Generator, size_hw: tuple[int, int], cell_px: float, octaves: int = 1) -> Field:
    """Smooth noise in 0..1; each octave has half the size and half the strength of the previous one."""
    height, width = size_hw
    total = np.zeros(size_hw, dtype=np.float32)
    weight = 1.0
    for octave in range(octaves):
        cell = max(cell_px / 2**octave, 1.0)
        grid = rng.random((int(height / cell) + 3, int(width / cell) + 3), dtype=np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        weight /= 2
    return stretched(total)


def stretched(field: Field) -> Field:
    """Scales the field to 0..1; a constant field becomes 0."""
    low, high, _, _ = cv2.minMaxLoc(field)
    scaled: Field = (field - np.float32(low)) * np.float32(1 / max(high - low, 1e-6))
    return scaled


def ramp(size_hw: tuple[int, int], angle_rad: float) -> Field:
    """A linear ramp over the frame, 0..1, increasing in the direction `angle_rad`."""
    height, width = size_hw
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None] * np.float32(np.cos(angle_rad))
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle_rad))
    return stretched(across + down)


def stripes(rng: np.random.Generator, size_hw: tuple[int, int], period_px: float, warp: float) -> Field:
    """Soft stripes in 0..1 at a random angle; `warp` bends them by that many periods."""
    phase = ramp(size_hw, rng.uniform(0, np.pi)) * np.float32(max(size_hw) / period_px)
    phase += np.float32(warp) * clouds(rng, size_hw, max(size_hw) / 4)
    waves: Field = 0.5 + 0.5 * np.sin(np.float32(2 * np.pi) * phase)
    return waves


def thresholded(field: Field, level: float, softness: float = 0.03) -> Field:
    """A soft step: 0 well below `level`, 1 well above, linear over `softness` on each side."""
    step: Field = np.clip((field - np.float32(level)) * np.float32(0.5 / softness) + 0.5, 0, 1)
    return step


def cells(rng: np.random.Generator, size_hw: tuple[int, int], count: int) -> Field:
    """Voronoi cells, each with one random value in 0..1, and dark joints between them."""
    height, width = size_hw
    seeds = np.full(size_hw, 255, dtype=np.uint8)
    seeds[rng.integers(0, height, count), rng.integers(0, width, count)] = 0
    _, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    values: Field = rng.random(labels.max() + 1, dtype=np.float32)[labels]
    joints = cv2.morphologyEx(values, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0.01
    values[joints] *= 0.5
    return values


def coloured(field: Field, palette: Colours) -> Colours:
    """Maps the field, 0..1, linearly to the palette's rows: [h, w, 3]."""
    table = np.linspace(0, len(palette) - 1, 256)
    rows = np.stack([np.interp(table, np.arange(len(palette)), palette[:, c]) for c in range(3)], axis=1)
    index = np.clip(field * 255, 0, 255).astype(np.uint8)
    colours: Colours = rows.astype(np.float32)[index]
    return colours


def material(
    rng: np.random.Generator, size_hw: tuple[int, int], palette: Colours, photographs: tuple[RGB, ...] = ()
) -> Colours:
    """A surface with a random texture in the palette's colours and fine grain, [h, w, 3] in 0..1.

    Args:
        rng: Source of randomness.
        size_hw: Height and width in pixels.
        palette: [n, 3] RGB, n >= 2.
        photographs: Real photographs, whose crops are a further kind of texture.
    """
    if photographs and rng.random() < 0.2:
        return tinted(photograph_crop(rng, size_hw, photographs), palette[0], float(rng.uniform(0, 0.7)))
    surface = coloured(_pattern(rng, size_hw), palette)
    grain = 1 + rng.uniform(0.05, 0.4) * (clouds(rng, size_hw, rng.uniform(1.5, 8), 2) - 0.5)
    surface *= grain[:, :, None].astype(np.float32)
    return np.clip(surface, 0, 1, out=surface)


def _pattern(rng: np.random.Generator, size_hw: tuple[int, int]) -> Field:
    side = max(size_hw)
    family = rng.choice(7, p=(0.3, 0.12, 0.14, 0.18, 0.08, 0.1, 0.08))
    if family == 0:
        return clouds(rng, size_hw, side * rng.uniform(0.1, 0.6), 3)
    if family == 1:
        return stripes(rng, size_hw, side * rng.uniform(0.03, 0.2), rng.uniform(0, 3))
    if family == 2:
        return thresholded(clouds(rng, size_hw, side * rng.uniform(0.02, 0.08)), rng.uniform(0.4, 0.65), 0.1)
    if family == 3:
        return thresholded(clouds(rng, size_hw, side * rng.uniform(0.15, 0.4), 2), rng.uniform(0.35, 0.65))
    if family == 4:
        return cells(rng, size_hw, int(rng.integers(8, 200)))
    if family == 5:
        return ramp(size_hw, rng.uniform(0, 2 * np.pi))
    plaid = stripes(rng, size_hw, side * rng.uniform(0.04, 0.15), 0)
    return 0.5 * (plaid + stripes(rng, size_hw, side * rng.uniform(0.04, 0.15), 0))


def photograph_crop(rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...]) -> Colours:
    """A random crop of a random photograph at `size_hw`, randomly mirrored and recoloured, 0..1."""
    photograph = photographs[rng.integers(len(photographs))]
    height, width = photograph.shape[:2]
    share = rng.uniform(0.25, 1.0)
    crop_h, crop_w = int(height * share), int(width * share)
    top, left = rng.integers(0, height - crop_h + 1), rng.integers(0, width - crop_w + 1)
    crop = photograph[top : top + crop_h, left : left + crop_w]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    resized = cv2.resize(np.ascontiguousarray(crop), size_hw[::-1], interpolation=cv2.INTER_AREA)
    hue_shift = int(rng.normal(0, 8)) if rng.random() < 0.8 else int(rng.integers(0, 180))
    hsv = cv2.cvtColor(resized, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + hue_shift) % 180
    colours: Colours = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32) * np.float32(1 / 255)
    curved: Colours = np.power(colours, np.float32(rng.uniform(0.7, 1.5)))
    return curved


def tinted(colours: Colours, colour: Colours, amount: float) -> Colours:
    """Keeps the lightness and moves the colour towards `colour` by `amount` in 0..1."""
    grey = colours.mean(axis=2, keepdims=True)
    contrast = (grey / max(float(grey.mean()), 0.05)).astype(np.float32)
    mixed: Colours = colours * np.float32(1 - amount) + contrast * (colour * np.float32(amount))
    return np.clip(mixed, 0, 1, out=mixed)
