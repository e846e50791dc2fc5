"""Bodies of animals: quadrupeds, close-ups and birds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuft_training.scenery import outlines, palettes
from tuft_training.scenery.body import Body, Part
from tuft_training.scenery.heads import animal_head, attached

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import Points

_BLACK = (0.04, 0.04, 0.05)


def quadruped(rng: np.random.Generator) -> Body:
    """A furred animal seen from the side: standing, walking, sitting or lying."""
    body = Body(fur=float(rng.uniform(0.015, 0.08)) if rng.random() < 0.75 else 0.0)
    length, depth = rng.uniform(0.28, 0.42), rng.uniform(0.11, 0.24)
    tilt = rng.choice((0.0, 0.0, 0.9)) + rng.normal(0, 0.08)
    leg = rng.choice((0.0, 1.0), p=(0.2, 0.8)) * rng.uniform(0.2, 0.45)
    thick = rng.uniform(0.05, 0.12)
    hips = outlines.turned(outlines.points((-length * 0.75, 0.05), (length * 0.75, 0.05)), -tilt)
    _legs(rng, body, hips, (leg * 0.95, thick), far=True)
    _tail(rng, body, hips[0] + np.array([-0.12, -0.1], dtype=np.float32))
    trunk = outlines.blob(rng, (0, 0), (length, depth), 0.06)
    body.parts.append(Part(outlines.turned(trunk, -tilt)))
    _markings(rng, body, length, depth)
    _legs(rng, body, hips, (leg, thick), far=False)
    _head_and_neck(rng, body, hips[1])
    return body


def _legs(rng: np.random.Generator, body: Body, hips: Points, size: tuple[float, float], *, far: bool) -> None:
    length, thick = size
    if length == 0:
        return
    paint = int(rng.choice((0, 0, 1)))
    for x, y in hips:
        swing, knee = rng.normal(0, 0.12), rng.normal(0, 0.06)
        shift = 0.06 if far else 0.0
        knots = [(x + shift, y), (x + shift + knee, y + length * 0.55), (x + shift + swing, y + length)]
        body.parts.append(Part(outlines.limb(knots, (thick * 1.7, thick * 0.7)), paint, relief=0.8))
        foot = outlines.ellipse((x + shift + swing + thick * 0.3, y + length), (thick * 0.6, thick * 0.35))
        body.parts.append(Part(foot, int(rng.choice((0, 2)))))


def _tail(rng: np.random.Generator, body: Body, root: Points) -> None:
    if rng.random() < 0.2:
        return
    x, y = float(root[0]), float(root[1])
    reach, lift = rng.uniform(0.1, 0.4), rng.uniform(-0.4, 0.3)
    knots = [(x + 0.08, y), (x - reach * 0.6, y + lift * 0.3), (x - reach, y + lift)]
    widths = (rng.uniform(0.02, 0.12), rng.uniform(0.01, 0.12))
    body.parts.append(Part(outlines.limb(knots, widths), int(rng.integers(0, 2))))


def _markings(rng: np.random.Generator, body: Body, length: float, depth: float) -> None:
    for _ in range(rng.integers(0, 4)):
        centre = (rng.uniform(-length, length), rng.uniform(-depth, depth))
        patch = outlines.blob(rng, centre, (rng.uniform(0.05, 0.2), rng.uniform(0.05, 0.2)), 0.2)
        body.parts.append(Part(patch, int(rng.integers(1, 3)), inside=True, softness=rng.uniform(0.02, 0.2)))


def _head_and_neck(rng: np.random.Generator, body: Body, shoulder: Points) -> None:
    x, y = float(shoulder[0]), float(shoulder[1]) - 0.06
    radius = rng.uniform(0.09, 0.19)
    reach, lift = rng.uniform(0.05, 0.25), rng.uniform(-0.45, 0.05)
    head_at = (x + reach, y + lift)
    neck = outlines.limb([(x - 0.05, y), (x + reach * 0.5, y + lift * 0.6), head_at], (0.25, radius * 1.2))
    body.parts.append(Part(neck))
    if rng.random() < 0.55:
        head = attached(animal_head(rng), radius, head_at, rng.normal(0, 0.3))
        body.parts.extend(head.parts)
        body.details.extend(head.details)
        body.whiskers.extend(head.whiskers)
    else:
        _profile_head(rng, body, head_at, radius)


def _profile_head(rng: np.random.Generator, body: Body, centre: tuple[float, float], radius: float) -> None:
    x, y = centre
    droop = rng.uniform(0.0, 0.9)
    snout = rng.uniform(1.0, 2.4) * radius
    tip = (x + snout * np.cos(droop), y + snout * np.sin(droop))
    for _ in range(2):
        ear = outlines.limb(
            [(x - radius * 0.4, y - radius * 0.5), (x - radius * 0.8, y - radius * rng.uniform(1.2, 2.0))],
            (radius * 0.7, radius * 0.2),
        )
        body.parts.append(Part(ear, int(rng.integers(0, 2))))
    if rng.random() < 0.2:
        horn = [(x, y - radius * 0.7), (x - radius, y - 2.2 * radius), (x + radius, y - 3 * radius)]
        body.parts.append(Part(outlines.limb(horn, (radius * 0.4, radius * 0.05)), 2))
    body.parts.append(Part(outlines.blob(rng, centre, (radius, radius * 0.9), 0.05)))
    body.parts.append(Part(outlines.limb([(x, y), tip], (radius * 1.4, radius * 0.7)), int(rng.choice((0, 0, 1)))))
    eye = outlines.ellipse((x + radius * 0.4, y - radius * 0.2), (radius * 0.15, radius * 0.13))
    nose = outlines.ellipse(tip, (radius * 0.25, radius * 0.2))
    body.details.extend((Part(eye, _BLACK), Part(nose, _BLACK)))


def close_up(rng: np.random.Generator) -> Body:
    """An animal's head and chest, cut off by the lower edge of the frame."""
    body = Body(fur=float(rng.uniform(0.02, 0.09)), stands_on_edge=True)
    head_x = rng.uniform(-0.12, 0.12)
    radius = rng.uniform(0.26, 0.42)
    chest = outlines.blob(rng, (rng.uniform(-0.25, 0.25), 0.62), (rng.uniform(0.3, 0.6), 0.5), 0.08)
    body.parts.append(Part(chest, int(rng.choice((0, 0, 1)))))
    if rng.random() < 0.5:
        bib = outlines.blob(rng, (head_x, 0.5), (0.18, 0.3), 0.15)
        body.parts.append(Part(bib, 2, inside=True, softness=0.15))
    head = attached(animal_head(rng), radius, (head_x, rng.uniform(-0.1, 0.1)), rng.normal(0, 0.25))
    body.parts.extend(head.parts)
    body.details.extend(head.details)
    body.whiskers.extend(head.whiskers)
    return body


def curled(rng: np.random.Generator) -> Body:
    """A round furred body with a head anywhere on it: lying, curled up, or a hedgehog."""
    body = Body(fur=float(rng.uniform(0.02, 0.12)))
    body.parts.append(Part(outlines.blob(rng, (0, 0), (rng.uniform(0.3, 0.45), rng.uniform(0.22, 0.4)), 0.1)))
    _markings(rng, body, 0.35, 0.3)
    angle = rng.uniform(-2.6, -0.5)
    centre = (0.32 * np.cos(angle), 0.26 * np.sin(angle))
    head = attached(animal_head(rng), rng.uniform(0.12, 0.22), centre, rng.normal(0, 0.4))
    body.parts.extend(head.parts)
    body.details.extend(head.details)
    body.whiskers.extend(head.whiskers)
    for x in rng.uniform(-0.3, 0.3, rng.integers(0, 4)):
        paw = outlines.limb([(x, 0.15), (x + rng.normal(0, 0.1), 0.38)], (0.12, 0.09))
        body.parts.append(Part(paw, int(rng.integers(0, 3))))
    return body


def bird(rng: np.random.Generator) -> Body:
    """A bird with wing, tail, beak and thin legs."""
    body = Body(fur=float(rng.uniform(0.0, 0.03)))
    tilt = rng.uniform(-0.2, 1.0)
    for x in (-0.03, 0.05):
        leg = [(x, 0.1), (x + rng.normal(0, 0.03), 0.3), (x + 0.02, 0.42)]
        body.parts.append(Part(outlines.limb(leg, (0.05, 0.02)), 2))
        for toe in (-0.06, 0.06):
            claw = outlines.limb([leg[2], (leg[2][0] + toe, 0.45)], (0.02, 0.012))
            body.parts.append(Part(claw, 2))
    tail = [(-0.2, 0.02), (-0.35, 0.05), (rng.uniform(-0.65, -0.4), rng.uniform(-0.3, 0.2))]
    torso = outlines.blob(rng, (0, 0), (rng.uniform(0.22, 0.32), rng.uniform(0.15, 0.22)), 0.05)
    pieces = [Part(outlines.limb(tail, (0.16, rng.uniform(0.02, 0.25))), 1), Part(torso)]
    breast = outlines.blob(rng, (0.1, 0.06), (0.16, 0.12), 0.1)
    pieces.append(Part(breast, 2, inside=True, softness=0.15))
    wing = outlines.blob(rng, (-0.08, -0.01), (rng.uniform(0.18, 0.28), rng.uniform(0.07, 0.13)), 0.1)
    pieces.append(Part(wing, 1, relief=0.9))
    body.parts.extend(
        Part(outlines.turned(p.outline, -tilt), p.paint, softness=p.softness, inside=p.inside) for p in pieces
    )
    _bird_head(rng, body, (float(0.27 * np.cos(tilt)), float(-0.27 * np.sin(tilt) - 0.05)))
    return body


def _bird_head(rng: np.random.Generator, body: Body, centre: tuple[float, float]) -> None:
    x, y = centre
    if rng.random() < 0.4:  # a long neck
        lifted = (x + rng.uniform(0, 0.15), y - rng.uniform(0.1, 0.35))
        body.parts.append(Part(outlines.limb([(x - 0.1, y + 0.1), (x, y - 0.1), lifted], (0.2, 0.1)), 0))
        x, y = lifted
    radius = rng.uniform(0.08, 0.13)
    beak = palettes.vivid(rng, 1)[0] if rng.random() < 0.7 else np.array(_BLACK)
    colour = (float(beak[0]), float(beak[1]), float(beak[2]))
    length = rng.uniform(0.08, 0.25)
    hook = rng.uniform(-0.05, 0.08)
    body.parts.append(
        Part(outlines.limb([(x, y), (x + radius, y), (x + radius + length, y + hook)], (0.1, 0.01)), colour)
    )
    if rng.random() < 0.25:
        comb = outlines.blob(rng, (x, y - radius), (radius * 0.6, radius * 0.5), 0.3)
        body.parts.append(Part(comb, colour))
    body.parts.append(Part(outlines.blob(rng, (x, y), (radius, radius), 0.05), int(rng.choice((0, 1, 2)))))
    eye = outlines.ellipse((x + radius * 0.3, y - radius * 0.2), (radius * 0.2, radius * 0.2))
    body.details.append(Part(eye, _BLACK))


def creature(rng: np.random.Generator) -> Body:
    """A body of no specific kind: a rough blob with limbs and sometimes holes, furred or bare."""
    body = Body(fur=float(rng.uniform(0.02, 0.12)) if rng.random() < 0.5 else 0.0)
    for _ in range(rng.integers(0, 7)):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.6)
        bend = angle + rng.normal(0, 0.6)
        tip = (reach * np.cos(angle), reach * np.sin(angle))
        knots = [(0.0, 0.0), (0.5 * reach * np.cos(bend), 0.5 * reach * np.sin(bend)), tip]
        widths = (rng.uniform(0.04, 0.25), rng.uniform(0.005, 0.12))
        body.parts.append(Part(outlines.limb(knots, widths), int(rng.integers(0, 3))))
    radii = (rng.uniform(0.2, 0.45), rng.uniform(0.2, 0.45))
    body.parts.append(Part(outlines.blob(rng, (0, 0), radii, rng.uniform(0.03, 0.25))))
    _markings(rng, body, 0.3, 0.3)
    if rng.random() < 0.15:
        hole = outlines.blob(rng, (rng.normal(0, 0.1), rng.normal(0, 0.1)), (0.1, 0.1), 0.1)
        body.parts.append(Part(hole, cuts=True))
    return body
