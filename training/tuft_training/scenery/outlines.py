"""Outlines of parts, as closed polygons in the unit coordinates of a body (x right, y down)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft_training.scenery.arrays import Points

_CORNERS = 48
_ANGLES = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False, dtype=np.float32)
_CIRCLE: Points = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1).astype(np.float32)


def points(*pairs: tuple[float, float]) -> Points:
    """An array of points from (x, y) pairs."""
    return np.array(pairs, dtype=np.float32)


def turned(outline: Points, angle_rad: float, about: tuple[float, float] = (0.0, 0.0)) -> Points:
    """The outline rotated clockwise (y points down) by `angle_rad` about a point."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    matrix = np.array([[cosine, sine], [-sine, cosine]], dtype=np.float32)
    centre = np.array(about, dtype=np.float32)
    moved: Points = (outline - centre) @ matrix + centre
    return moved


def moved(outline: Points, by: tuple[float, float]) -> Points:
    """The outline moved by (x, y)."""
    return outline + np.array(by, dtype=np.float32)


def mirrored(outline: Points) -> Points:
    """The outline mirrored horizontally."""
    return outline * np.array([-1, 1], dtype=np.float32)


def ellipse(centre: tuple[float, float], radii: tuple[float, float], angle_rad: float = 0.0) -> Points:
    """An ellipse with horizontal and vertical radii, rotated about its centre."""
    return turned(_CIRCLE * np.array(radii, dtype=np.float32) + np.array(centre, dtype=np.float32), angle_rad, centre)


def blob(rng: np.random.Generator, centre: tuple[float, float], radii: tuple[float, float], roughness: float) -> Points:
    """An ellipse whose radius is modulated by a few random Fourier terms.

    Args:
        rng: Source of randomness.
        centre: Middle (x, y).
        radii: Horizontal and vertical radius.
        roughness: Standard deviation of the first Fourier term relative to the radius; 0 is an ellipse.
    """
    orders = np.arange(2, 8)
    amplitudes = rng.normal(0, roughness / (orders - 1))
    phases = rng.uniform(0, 2 * np.pi, len(orders))
    wave = 1 + (amplitudes * np.cos(orders * _ANGLES[:, None] + phases)).sum(axis=1)
    radius = np.clip(wave, 0.3, 1.8).astype(np.float32)[:, None]
    outline: Points = _CIRCLE * radius * np.array(radii, dtype=np.float32) + np.array(centre, dtype=np.float32)
    return outline


def slab(centre: tuple[float, float], radii: tuple[float, float], squareness: float) -> Points:
    """A superellipse: an ellipse at `squareness` 1, approaching a rectangle above."""
    power = 1.0 / squareness
    shape = np.sign(_CIRCLE) * np.abs(_CIRCLE) ** power
    outline: Points = (shape * np.array(radii) + np.array(centre)).astype(np.float32)
    return outline


def curve(knots: Sequence[tuple[float, float]] | Points, samples: int = 12) -> Points:
    """An open Bezier curve with the knots as control points."""
    control = np.asarray(knots, dtype=np.float32)
    steps = np.linspace(0, 1, samples, dtype=np.float32)[:, None]
    layers = [np.repeat(knot[None], samples, axis=0) for knot in control]
    while len(layers) > 1:  # De Casteljau
        layers = [(1 - steps) * a + steps * b for a, b in itertools.pairwise(layers)]
    return layers[0].astype(np.float32)


def limb(knots: Sequence[tuple[float, float]] | Points, widths: tuple[float, float]) -> Points:
    """A tapered, rounded limb along a curve.

    Args:
        knots: Control points of the middle line.
        widths: Full width at the first and at the last knot.
    """
    line = curve(knots)
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    half = np.linspace(widths[0], widths[1], len(line), dtype=np.float32)[:, None] / 2
    tip = _cap(line[-1], tangent[-1], half[-1, 0])
    root = _cap(line[0], -tangent[0], half[0, 0])
    outline: Points = np.concatenate([line + normal * half, tip, (line - normal * half)[::-1], root])
    return outline.astype(np.float32)


def _cap(end: Points, direction: Points, radius: float) -> Points:
    angles = np.linspace(np.pi / 2, -np.pi / 2, 7, dtype=np.float32)[1:-1]
    across = np.array([-direction[1], direction[0]])
    rim: Points = end + radius * (np.cos(angles)[:, None] * direction + np.sin(angles)[:, None] * across)
    return rim


def vessel(rng: np.random.Generator, height: float, width: float) -> Points:
    """A mirror-symmetric outline, as of a bottle, a vase, a bulb or a lamp."""
    knots = rng.uniform(0.25, 1.0, rng.integers(3, 7)).astype(np.float32)
    levels = np.linspace(0, 1, 24)
    profile = np.interp(levels, np.linspace(0, 1, len(knots)), knots)
    if rng.random() < 0.7:
        profile = np.convolve(np.pad(profile, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    right = np.stack([profile * width / 2, (levels - 0.5) * height], axis=1)
    outline: Points = np.concatenate([right, mirrored(right)[::-1]]).astype(np.float32)
    return outline


def shard(rng: np.random.Generator, corners: int, radius: float) -> Points:
    """An irregular polygon or star with straight edges."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = radius * rng.uniform(0.5, 1.0, corners)
    outline: Points = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1).astype(np.float32)
    return outline
