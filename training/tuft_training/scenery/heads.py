"""Heads of animals and people from the front, in coordinates in which the head's radius is about 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuft_training.scenery import outlines, palettes
from tuft_training.scenery.body import Body, Part

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import Colours

_BLACK = (0.03, 0.03, 0.04)
_WHITE = (0.95, 0.95, 0.95)


def animal_head(rng: np.random.Generator) -> Body:
    """A head with ears, eyes, muzzle, nose and sometimes whiskers."""
    body = Body()
    width, height = rng.uniform(0.75, 1.0), rng.uniform(0.75, 1.1)
    _ears(rng, body, width, height)
    body.parts.append(Part(outlines.blob(rng, (0, 0), (width, height), 0.04)))
    if rng.random() < 0.6:
        mask = outlines.blob(rng, (0, -0.3), (width * 0.8, height * 0.5), 0.2)
        body.parts.append(Part(mask, 1, inside=True, softness=0.1))
    if rng.random() < 0.4:
        blaze = outlines.blob(rng, (0, -0.2), (0.18, 0.7), 0.2)
        body.parts.append(Part(blaze, 2, inside=True, softness=0.2))
    snout_y = rng.uniform(0.25, 0.5)
    muzzle = outlines.ellipse((0, snout_y), (rng.uniform(0.3, 0.5), rng.uniform(0.25, 0.55)))
    body.parts.append(Part(muzzle, int(rng.integers(0, 3)), softness=0.1))
    spacing, level = rng.uniform(0.3, 0.5) * width, rng.uniform(-0.3, 0.0)
    _eyes(rng, body, spacing, level, rng.uniform(0.08, 0.22))
    _nose_and_mouth(rng, body, snout_y)
    if rng.random() < 0.5:
        _whiskers(rng, body, snout_y)
    return body


def _ears(rng: np.random.Generator, body: Body, width: float, height: float) -> None:
    kind = rng.integers(0, 4)
    spread = rng.uniform(0.4, 0.8) * width
    length = (rng.uniform(0.6, 1.0), rng.uniform(0.25, 0.45), rng.uniform(0.8, 1.4), 0.0)[kind]
    if kind == 0:  # pointed
        ear = outlines.points((-0.35, 0.3), (-0.2, -0.5 * length), (0, -length), (0.2, -0.5 * length), (0.35, 0.3))
        ear = outlines.curve(ear, 16)
        ear[:, 1] *= 1.6
    elif kind == 1:  # round
        ear = outlines.ellipse((0, 0), (length, length))
    elif kind == 2:  # long or hanging
        ear = outlines.limb([(0, 0.2), (0, -length / 2), (0.1, -length)], (0.4, 0.25))
        ear = outlines.turned(ear, rng.choice((0.1, 2.2)))
    else:
        return
    ear = outlines.moved(outlines.turned(ear, rng.uniform(0.1, 0.5)), (spread, -height * rng.uniform(0.5, 0.85)))
    inner = ear.mean(axis=0) + (ear - ear.mean(axis=0)) * np.float32(0.6)
    for side in (ear, outlines.mirrored(ear)):
        body.parts.append(Part(side))
    inner_paint = int(rng.integers(0, 3))
    body.parts.extend(Part(side, inner_paint) for side in (inner, outlines.mirrored(inner)))


def _eyes(rng: np.random.Generator, body: Body, spacing: float, level: float, radius: float) -> None:
    iris = palettes.vivid(rng, 1)[0] if rng.random() < 0.5 else np.array([0.25, 0.15, 0.05])
    pupil = rng.uniform(0.3, 0.9)
    slit = rng.choice((1.0, 0.3))
    for x in (-spacing, spacing):
        body.details.extend(
            (
                Part(outlines.ellipse((x, level), (radius * 1.25, radius * 1.05)), _BLACK, softness=0.1),
                Part(outlines.ellipse((x, level), (radius, radius * 0.9)), _rgb(iris)),
                Part(outlines.ellipse((x, level), (radius * pupil * slit, radius * pupil)), _BLACK, relief=0),
                Part(
                    outlines.ellipse((x - radius * 0.3, level - radius * 0.3), (radius * 0.2, radius * 0.2)),
                    _WHITE,
                    relief=0,
                ),
            )
        )


def _nose_and_mouth(rng: np.random.Generator, body: Body, snout_y: float) -> None:
    colour = _BLACK if rng.random() < 0.6 else (0.75, 0.45, 0.42)
    size = rng.uniform(0.08, 0.2)
    nose = outlines.points((-size, snout_y - size), (size, snout_y - size), (0, snout_y + size * 0.7))
    body.details.append(Part(nose, colour))
    for side in (-1, 1):
        mouth = outlines.limb(
            [(0, snout_y + size), (side * 0.1, snout_y + 0.3), (side * 0.3, snout_y + 0.2)], (0.04, 0.02)
        )
        body.details.append(Part(mouth, _BLACK, opacity=0.8, inside=True, relief=0))


def _whiskers(rng: np.random.Generator, body: Body, snout_y: float) -> None:
    for side in (-1.0, 1.0):
        for _ in range(rng.integers(3, 8)):
            start = (side * rng.uniform(0.15, 0.3), snout_y + rng.uniform(-0.08, 0.15))
            reach, droop = rng.uniform(0.6, 1.3), rng.normal(0, 0.3)
            knots = [start, (side * reach * 0.6, start[1] + droop * 0.3), (side * reach, start[1] + droop)]
            body.whiskers.append(outlines.curve(knots, 8))


def human_head(rng: np.random.Generator, complexion: Colours) -> Body:
    """A face with hair, sometimes a hat, glasses or a beard; hair is material 1, hats are material 2."""
    body = Body()
    skin = _rgb(complexion)
    face = outlines.slab((0, 0), (rng.uniform(0.62, 0.78), 1.0), rng.uniform(1.0, 1.25))
    style = rng.integers(0, 4)
    if style < 3:  # hair behind the face: short, round or long
        reach = (0.75, 1.1, 1.6)[style]
        centre = (0, -0.25 + 0.45 * (style == 2))
        hair = outlines.blob(rng, centre, (rng.uniform(0.8, 1.1), reach), 0.06)
        body.parts.append(Part(hair, 1))
    for x in (-0.72, 0.72):
        body.parts.append(Part(outlines.ellipse((x, 0.02), (0.12, 0.22)), skin))
    body.parts.append(Part(face, skin))
    if style < 3:
        fringe = outlines.blob(rng, (rng.uniform(-0.2, 0.2), -0.8), (0.8, rng.uniform(0.2, 0.45)), 0.1)
        body.parts.append(Part(fringe, 1))
    if rng.random() < 0.2:
        beard = outlines.blob(rng, (0, 0.7), (0.6, 0.45), 0.1)
        body.parts.append(Part(beard, 1, inside=True, softness=0.1))
    if rng.random() < 0.3:
        crown = outlines.blob(rng, (0, -0.95), (0.85, rng.uniform(0.3, 0.6)), 0.05)
        brim = outlines.ellipse((0, -0.65), (rng.uniform(0.8, 1.4), 0.12))
        body.parts.extend((Part(crown, 2), Part(brim, 2)))
    _human_features(rng, body, skin)
    return body


def _human_features(rng: np.random.Generator, body: Body, skin: tuple[float, float, float]) -> None:
    dark = (skin[0] * 0.6, skin[1] * 0.5, skin[2] * 0.5)
    for x in (-0.3, 0.3):
        body.details.extend(
            (
                Part(outlines.ellipse((x, -0.12), (0.15, 0.07)), _WHITE),
                Part(outlines.ellipse((x, -0.12), (0.065, 0.065)), (0.15, 0.1, 0.08), relief=0),
                Part(outlines.limb([(x - 0.18, -0.3), (x, -0.36), (x + 0.18, -0.3)], (0.05, 0.05)), dark),
            )
        )
        if rng.random() < 0.25:  # one or both round lenses
            body.details.append(
                Part(outlines.slab((x, -0.1), (0.24, 0.2), 1.5), (0.2, 0.2, 0.2), opacity=0.5, relief=0)
            )
    body.details.append(Part(outlines.limb([(0, -0.1), (0.06, 0.2), (-0.05, 0.25)], (0.05, 0.12)), dark, 0.5))
    lips = outlines.limb([(-0.25, 0.5), (0, rng.uniform(0.5, 0.65)), (0.25, 0.5)], (0.08, 0.08))
    body.details.append(Part(lips, (0.7, 0.3, 0.3)))
    if rng.random() < 0.4:
        body.details.append(Part(outlines.ellipse((0, 0.54), (0.17, 0.05)), _WHITE, relief=0))


def attached(head: Body, radius: float, centre: tuple[float, float], angle_rad: float = 0.0) -> Body:
    """Places a head on a body, with a radius in the body's units."""
    cosine, sine = np.cos(angle_rad) * radius, np.sin(angle_rad) * radius
    return head.placed(
        np.array([[cosine, sine], [-sine, cosine]], dtype=np.float32), np.array(centre, dtype=np.float32)
    )


def _rgb(colour: Colours) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in np.ravel(colour)[:3])
    return red, green, blue
