"""Bodies of people: portraits cut off by the frame, and whole figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuft_training.scenery import outlines, palettes
from tuft_training.scenery.body import Body, Part
from tuft_training.scenery.heads import attached, human_head

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import Colours, Points


def portrait(rng: np.random.Generator) -> Body:
    """Head, shoulders and chest, cut off by the frame. Materials: 0 cloth, 1 hair, 2 hat, 3 and 4 more cloth."""
    body = Body(stands_on_edge=True, fur=float(rng.uniform(0.0, 0.02)) if rng.random() < 0.4 else 0.0)
    complexion = palettes.skin(rng)
    radius = rng.uniform(0.12, 0.24)
    head_at = (rng.uniform(-0.08, 0.08), -0.5 + radius * 1.15)
    shoulders_y = head_at[1] + radius * rng.uniform(1.25, 1.6)
    half = radius * rng.uniform(1.6, 2.6)
    neck = outlines.slab((head_at[0], head_at[1] + radius), (radius * 0.38, radius * 0.7), 1.5)
    body.parts.append(Part(neck, _skin(complexion, 0.85)))
    body.parts.append(Part(_torso(rng, shoulders_y, half)))
    _clothes(rng, body, shoulders_y, half, head_at[0])
    if rng.random() < 0.5:
        _arms(rng, body, shoulders_y, half, complexion)
    _add(body, attached(human_head(rng, complexion), radius, head_at, rng.normal(0, 0.1)))
    return body


def _torso(rng: np.random.Generator, top: float, half: float) -> Points:
    slope = rng.uniform(0.03, 0.1)
    waist = half * rng.uniform(0.75, 1.1)
    right = outlines.curve([(0.25 * half, top - 0.02), (0.9 * half, top), (1.1 * half, top + slope), (waist, 0.6)], 14)
    return np.concatenate([right, outlines.mirrored(right)[::-1]])


def _clothes(rng: np.random.Generator, body: Body, top: float, half: float, middle: float) -> None:
    if rng.random() < 0.5:  # an open collar over another garment
        depth = rng.uniform(0.1, 0.4)
        collar = outlines.points(
            (middle - 0.4 * half, top - 0.02), (middle + 0.4 * half, top - 0.02), (middle, top + depth)
        )
        body.parts.append(Part(collar, 3, inside=True))
        if rng.random() < 0.5:
            tie = outlines.limb([(middle, top + 0.02), (middle, top + depth + 0.2)], (0.04, 0.08))
            body.parts.append(Part(tie, 4, inside=True))
    for _ in range(rng.integers(0, 6)):  # badges, pockets, stripes, buttons
        centre = (rng.uniform(-half, half), rng.uniform(top + 0.05, 0.5))
        size = (rng.uniform(0.01, 0.1), rng.uniform(0.01, 0.06))
        patch = outlines.slab(centre, size, rng.uniform(1, 3))
        body.parts.append(Part(patch, int(rng.integers(1, 5)), inside=True))
    if rng.random() < 0.3:  # a wide ring at the neck: a scarf, a hood, the collar of a suit
        ring = outlines.ellipse((middle, top), (half * rng.uniform(0.4, 0.8), rng.uniform(0.05, 0.12)))
        body.parts.append(Part(ring, int(rng.integers(2, 5))))


def _arms(rng: np.random.Generator, body: Body, top: float, half: float, complexion: Colours) -> None:
    for side in (-1, 1):
        elbow = (side * half * rng.uniform(1.1, 1.7), rng.uniform(0.15, 0.45))
        hand = (side * half * rng.uniform(-0.3, 1.2), rng.uniform(0.1, 0.55))
        shoulder = (side * half * 0.85, top + 0.08)
        body.parts.append(Part(outlines.limb([shoulder, elbow, elbow], (0.16, 0.12)), 0, relief=0.8))
        body.parts.append(Part(outlines.limb([elbow, hand], (0.12, 0.09)), 0, relief=0.8))
        body.parts.append(Part(outlines.blob(rng, hand, (0.06, 0.05), 0.1), _skin(complexion, 1)))


def figure(rng: np.random.Generator) -> Body:
    """A whole person: standing, walking or sitting. Materials as in a portrait."""
    body = Body()
    complexion = palettes.skin(rng)
    radius = rng.uniform(0.055, 0.085)
    head_at = (rng.normal(0, 0.02), -0.5 + radius)
    top, hip_y = head_at[1] + radius * 1.35, rng.uniform(-0.02, 0.1)
    half = rng.uniform(0.08, 0.14)
    for side in (-1, 1):
        hip = (side * half * 0.5, hip_y)
        knee = (hip[0] + rng.normal(0, 0.06), hip_y + (0.5 - hip_y) * 0.5)
        foot = (knee[0] + rng.normal(0, 0.06), 0.5)
        body.parts.append(Part(outlines.limb([hip, knee, foot], (half * 1.1, half * 0.55)), 3, relief=0.8))
        body.parts.append(Part(outlines.ellipse((foot[0] + 0.02, 0.5), (0.05, 0.025)), 4))
    trunk = outlines.slab((0, (top + hip_y) / 2 + 0.02), (half, (hip_y - top) / 2 + 0.05), rng.uniform(1.2, 2))
    neck = outlines.slab((head_at[0], top), (radius * 0.4, radius * 0.6), 1.5)
    body.parts.extend((Part(neck, _skin(complexion, 0.85)), Part(trunk)))
    if rng.random() < 0.3:
        skirt = outlines.points(
            (-half, hip_y - 0.1), (half, hip_y - 0.1), (half * 1.8, hip_y + 0.2), (-half * 1.8, hip_y + 0.2)
        )
        body.parts.append(Part(skirt, 4))
    for side in (-1, 1):
        shoulder = (side * half * 0.85, top + 0.03)
        elbow = (side * half * rng.uniform(0.9, 1.9), top + rng.uniform(0.0, 0.2))
        hand = (elbow[0] + rng.normal(0, 0.1), elbow[1] + rng.uniform(-0.15, 0.2))
        body.parts.append(
            Part(outlines.limb([shoulder, elbow, hand], (0.07, 0.045)), int(rng.choice((0, 0, 1))), relief=0.8)
        )
        body.parts.append(Part(outlines.ellipse(hand, (0.025, 0.025)), _skin(complexion, 1)))
    _add(body, attached(human_head(rng, complexion), radius, head_at, rng.normal(0, 0.15)))
    return body


def _add(body: Body, head: Body) -> None:
    body.parts.extend(head.parts)
    body.details.extend(head.details)


def _skin(complexion: Colours, brightness: float) -> tuple[float, float, float]:
    red, green, blue = (float(value) * brightness for value in complexion[0])
    return red, green, blue
