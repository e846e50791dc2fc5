"""Strands of fur and whiskers: antialiased, tapered, curled and clumped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tuft_training.scenery import textures

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import Colours, Field, Points
    from tuft_training.scenery.layer import Layer

_OVERSAMPLING = 2
_SHIFT = 4
_JOINTS = 5


def grow_fur(rng: np.random.Generator, layer: Layer, length_px: float, density: float = 1.0) -> None:
    """Covers the layer with strands that start inside it and fringe its outline.

    Each strand has the colour at its root, varied by about 30 %. Colour and coverage are rasterised together at twice
    the resolution and downscaled by area averaging, so that the layer stays exactly premultiplied.

    Args:
        rng: Source of randomness.
        layer: Painted in place.
        length_px: Typical length of a strand.
        density: Factor on the number of strands.
    """
    size_hw = layer.size_hw
    roots = _roots(rng, layer.alpha, int(density * 260 * max(size_hw) / 192))
    if len(roots) == 0:
        return
    paths = _paths(rng, layer.alpha, roots, length_px)
    colours = layer.straight_colours()[roots[:, 1], roots[:, 0]]
    colours = np.clip(colours * rng.uniform(0.7, 1.3, (len(roots), 1)), 0, 1).astype(np.float32)
    thickness = max(1, round(_OVERSAMPLING * max(size_hw) / 384))
    _draw(layer, paths, colours, thickness)


def draw_whiskers(rng: np.random.Generator, layer: Layer, whiskers: list[Points]) -> None:
    """Draws whiskers, given as curves in pixel coordinates: light or dark, thin, tapered."""
    if not whiskers:
        return
    shade = rng.uniform(0.75, 1.0) if rng.random() < 0.7 else rng.uniform(0.0, 0.2)
    colours = np.full((len(whiskers), 3), shade, dtype=np.float32)
    _draw(layer, np.stack(whiskers), colours, max(1, round(_OVERSAMPLING * max(layer.alpha.shape) / 400)))


def _roots(rng: np.random.Generator, alpha: Field, count: int) -> Points:
    """Integer (x, y) coordinates inside the body, two thirds of them near its outline."""
    inside = alpha > 0.6
    side = max(3, max(alpha.shape) // 20 | 1)
    rim = inside & (cv2.blur(alpha, (side, side)) < 0.85)
    chosen = []
    for region, share in ((rim, 0.66), (inside, 0.34)):
        candidates = np.flatnonzero(region)
        if len(candidates):
            chosen.append(rng.choice(candidates, int(count * share)))
    flat = np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)
    return np.stack([flat % alpha.shape[1], flat // alpha.shape[1]], axis=1)


def _paths(rng: np.random.Generator, alpha: Field, roots: Points, length_px: float) -> Points:
    """The joints of strands that point outwards, combed, clumped and curled: [n, joints, 2]."""
    sigma = max(alpha.shape) / 40
    soft = cv2.GaussianBlur(alpha, (0, 0), sigma)
    outward = -np.stack([cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)], axis=2)
    x, y = roots[:, 0], roots[:, 1]
    direction = outward[y, x]
    direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-4
    comb = rng.uniform(0, 2 * np.pi)
    direction += rng.uniform(0.2, 1.2) * np.array([np.cos(comb), np.sin(comb)], dtype=np.float32)
    clump = textures.clouds(rng, (alpha.shape[0], alpha.shape[1]), max(alpha.shape) / 12)[y, x] - 0.5
    angle = np.arctan2(direction[:, 1], direction[:, 0]) + 2.5 * clump + rng.normal(0, 0.2, len(roots))
    curl = rng.normal(0, 0.25, len(roots))
    steps = angle[:, None] + curl[:, None] * np.arange(_JOINTS - 1)
    length = length_px * rng.uniform(0.4, 1.3, len(roots)) / (_JOINTS - 1)
    moves = np.stack([np.cos(steps), np.sin(steps)], axis=2) * length[:, None, None]
    paths: Points = roots[:, None] + np.concatenate([np.zeros((len(roots), 1, 2)), moves.cumsum(axis=1)], axis=1)
    return paths.astype(np.float32)


def _draw(layer: Layer, paths: Points, colours: Colours, thickness: int) -> None:
    """Draws polylines over the layer: the first half `thickness` (+1) wide, the second half thin."""
    height, width = layer.size_hw
    canvas = np.zeros((height * _OVERSAMPLING, width * _OVERSAMPLING, 4), dtype=np.uint8)
    fixed = np.round((paths + 0.5) * (_OVERSAMPLING << _SHIFT)).astype(np.int32)
    middle = fixed.shape[1] // 2 + 1
    values = np.round(colours * 255).astype(int).tolist()
    # Blending an opaque colour by coverage into all four channels is *over* with premultiplied colours.
    for path, (red, green, blue) in zip(fixed, values, strict=True):
        ink = (red, green, blue, 255)
        cv2.polylines(canvas, [path[:middle]], False, ink, thickness + 1, cv2.LINE_AA, _SHIFT)
        cv2.polylines(canvas, [path[middle - 1 :]], False, ink, thickness, cv2.LINE_AA, _SHIFT)
    reduced = cv2.resize(canvas.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) / 255
    layer.over_premultiplied(reduced[:, :, :3], reduced[:, :, 3])
