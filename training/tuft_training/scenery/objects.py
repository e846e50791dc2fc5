"""Bodies of objects: vessels, tools, furniture, vehicles and plants, mostly with hard edges."""

from __future__ import annotations

import numpy as np

from tuft_training.scenery import outlines
from tuft_training.scenery.body import Body, Part

_WHITE = (1.0, 1.0, 1.0)


def thing(rng: np.random.Generator) -> Body:
    """An object of a random kind."""
    kinds = (_vessel, _plate, _tool, _furniture, _assembly, _plant, _cup, _vehicle)
    return kinds[rng.integers(len(kinds))](rng)


def _vessel(rng: np.random.Generator) -> Body:
    body = Body()
    height, width = rng.uniform(0.6, 1.0), rng.uniform(0.25, 0.7)
    if rng.random() < 0.3:
        _handle(rng, body, (width * 0.45, rng.uniform(-0.2, 0.2)), 0.15)
    outline = outlines.vessel(rng, height, width)
    clear = rng.random() < 0.12
    body.parts.append(Part(outline, opacity=rng.uniform(0.35, 0.8) if clear else 1.0))
    for _ in range(rng.integers(0, 3)):
        level = rng.uniform(-0.4, 0.4) * height
        band = outlines.slab((0, level), (width, rng.uniform(0.02, 0.15)), 3)
        body.parts.append(Part(band, int(rng.integers(1, 3)), inside=True))
    _shine(rng, body, width)
    return body


def _handle(rng: np.random.Generator, body: Body, centre: tuple[float, float], radius: float) -> None:
    size = (radius, radius * rng.uniform(0.8, 1.8))
    body.parts.append(Part(outlines.ellipse(centre, size)))
    body.parts.append(Part(outlines.ellipse(centre, (size[0] * 0.65, size[1] * 0.7)), cuts=True))


def _shine(rng: np.random.Generator, body: Body, width: float) -> None:
    if rng.random() < 0.6:
        at = (rng.uniform(-0.25, 0.25) * width, rng.uniform(-0.3, 0.2))
        gloss = outlines.ellipse(at, (width * 0.06, rng.uniform(0.04, 0.25)))
        body.details.append(Part(gloss, _WHITE, opacity=rng.uniform(0.3, 0.9), softness=0.3, inside=True, relief=0))


def _plate(rng: np.random.Generator) -> Body:
    body = Body()
    flat = rng.uniform(0.35, 1.0)
    for paint, radius in ((0, 0.45), (1, rng.uniform(0.38, 0.44)), (int(rng.integers(0, 3)), rng.uniform(0.1, 0.36))):
        body.parts.append(Part(outlines.ellipse((0, 0), (radius, radius * flat)), paint))
    for _ in range(rng.integers(0, 5)):
        food = outlines.blob(rng, (rng.normal(0, 0.12), rng.normal(0, 0.1 * flat)), (0.1, 0.08), 0.15)
        body.parts.append(Part(food, int(rng.integers(0, 4)), relief=0.9))
    return body


def _cup(rng: np.random.Generator) -> Body:
    body = Body()
    if rng.random() < 0.6:
        body.parts.append(Part(outlines.ellipse((0, 0.3), (0.5, rng.uniform(0.12, 0.3))), 1))
        body.parts.append(Part(outlines.ellipse((0, 0.3), (0.3, 0.1)), 1, relief=0.9))
    _handle(rng, body, (0.3 * rng.choice((-1, 1)), 0.05), 0.13)
    if rng.random() < 0.6:
        body.parts.append(Part(outlines.ellipse((0, 0.28), (0.25, 0.1)), 1))
    rim = rng.uniform(0.06, 0.18)
    wall = outlines.points((-0.3, -0.2), (0.3, -0.2), (rng.uniform(0.15, 0.3), 0.3), (-0.2, 0.3))
    body.parts.extend((Part(outlines.curve(wall[[0, 0, 3, 3, 2, 2, 1, 1]], 24)), Part(wall * np.float32(0.98))))
    body.parts.append(Part(outlines.ellipse((0, -0.2), (0.3, rim)), 0))
    body.parts.append(Part(outlines.ellipse((0, -0.19), (0.26, rim * 0.8)), 2))
    _shine(rng, body, 0.4)
    return body


def _tool(rng: np.random.Generator) -> Body:
    body = Body()
    for turn in (0.0,) if rng.random() < 0.6 else (-0.35, 0.35):
        shaft = outlines.limb([(-0.5, 0), (0, rng.normal(0, 0.05)), (0.5, 0)], tuple(rng.uniform(0.05, 0.16, 2)))
        pieces = [Part(shaft, 0, relief=0.8)]
        grip = outlines.slab((-0.3, 0), (0.2, rng.uniform(0.05, 0.1)), rng.uniform(1, 3))
        pieces.append(Part(grip, 1, relief=0.8))
        if rng.random() < 0.4:
            pieces.append(Part(outlines.ellipse((-0.4, 0), (0.14, 0.1)), 1))
            pieces.append(Part(outlines.ellipse((-0.4, 0), (0.09, 0.055)), cuts=True))
        end = outlines.blob(rng, (0.42, 0), (rng.uniform(0.08, 0.16), rng.uniform(0.08, 0.22)), 0.2)
        if rng.random() < 0.7:
            pieces.append(Part(end, 2, relief=0.8))
        if rng.random() < 0.3:
            pieces.append(Part(outlines.slab((0.5, 0), (0.08, 0.05), 2), cuts=True))
        body.parts.extend(Part(outlines.turned(p.outline, turn), p.paint, cuts=p.cuts, relief=p.relief) for p in pieces)
    return body


def _furniture(rng: np.random.Generator) -> Body:
    """Thin bars and flat boards: a chair, a table, a shelf, a ladder, a bicycle frame."""
    body = Body()
    bar, width = rng.uniform(0.02, 0.07), rng.uniform(0.15, 0.4)
    seat = rng.uniform(-0.15, 0.2)
    lean = rng.normal(0, 0.06)
    for x in (-width, width):
        for near in (0.0, 0.12):
            shift = near * np.sign(rng.normal())
            body.parts.append(
                Part(outlines.limb([(x + shift, seat), (x + shift + lean, 0.5 - near)], (bar, bar * 0.7)))
            )
    board = outlines.points(
        (-width - 0.05, seat), (width + 0.05, seat), (width + 0.12, seat + 0.1), (-width, seat + 0.1)
    )
    body.parts.append(Part(board, int(rng.integers(0, 2))))
    if rng.random() < 0.7:
        for x in (-width, width):
            body.parts.append(Part(outlines.limb([(x, seat), (x - lean, -0.5)], (bar, bar))))
        for level in np.linspace(-0.45, seat - 0.1, rng.integers(1, 5)):
            body.parts.append(Part(outlines.slab((0, level), (width, bar * rng.uniform(0.5, 1.2)), 3)))
    return body


def _assembly(rng: np.random.Generator) -> Body:
    """An assembly of boxes, discs and wedges: a gadget, a toy, a lamp."""
    body = Body()
    for _ in range(rng.integers(1, 6)):
        centre = (rng.normal(0, 0.18), rng.normal(0, 0.18))
        size = (rng.uniform(0.08, 0.35), rng.uniform(0.08, 0.35))
        shape = rng.integers(0, 3)
        if shape == 0:
            outline = outlines.slab(centre, size, rng.uniform(1.5, 6))
        elif shape == 1:
            outline = outlines.ellipse(centre, size)
        else:
            outline = outlines.moved(outlines.shard(rng, int(rng.integers(3, 8)), 0.35), centre)
        body.parts.append(Part(outlines.turned(outline, rng.uniform(0, 3), centre), int(rng.integers(0, 4))))
        if rng.random() < 0.3:
            inner = centre + (outline - np.array(centre, dtype=np.float32)) * np.float32(rng.uniform(0.3, 0.8))
            body.parts.append(Part(inner.astype(np.float32), int(rng.integers(0, 4)), cuts=bool(rng.random() < 0.3)))
    _shine(rng, body, 0.4)
    return body


def _plant(rng: np.random.Generator) -> Body:
    """A stem with leaves or petals, sometimes in a pot."""
    body = Body()
    for _ in range(rng.integers(3, 16)):
        angle, reach = rng.uniform(-np.pi, 0), rng.uniform(0.2, 0.5)
        tip = (reach * np.cos(angle), 0.1 + reach * np.sin(angle) * 1.2)
        body.parts.append(Part(outlines.limb([(0, 0.2), (tip[0] * 0.4, tip[1] - 0.05), tip], (0.03, 0.012)), 1))
        leaf = outlines.ellipse(tip, (rng.uniform(0.05, 0.14), rng.uniform(0.03, 0.08)), rng.uniform(0, 3))
        body.parts.append(Part(leaf, int(rng.choice((0, 0, 2))), relief=0.8))
    if rng.random() < 0.6:
        pot = outlines.points((-0.2, 0.15), (0.2, 0.15), (0.14, 0.5), (-0.14, 0.5))
        body.parts.append(Part(pot, 3))
    return body


def _vehicle(rng: np.random.Generator) -> Body:
    """A long hull with a cabin, wheels, wings or fins."""
    body = Body()
    height = rng.uniform(0.08, 0.16)
    for x in (-0.1, 0.3)[: rng.integers(0, 3)]:  # wings
        wing = outlines.points((x, 0), (x - 0.15, 0), (x - rng.uniform(0.2, 0.4), rng.choice((-0.4, 0.35))))
        body.parts.append(Part(wing, 1))
    body.parts.append(Part(outlines.blob(rng, (0.02, -height), (rng.uniform(0.15, 0.3), 0.14), 0.08), 1))
    body.parts.append(Part(outlines.slab((0, 0), (0.5, height), rng.uniform(1, 3))))
    for x in np.linspace(-0.25, 0.25, rng.integers(1, 6)):
        body.details.append(Part(outlines.slab((x, -height * 0.9), (0.04, 0.04), 3), (0.1, 0.12, 0.15), inside=True))
    if rng.random() < 0.6:
        radius = rng.uniform(0.07, 0.13)
        for x in (-0.3, 0.3):
            body.parts.append(Part(outlines.ellipse((x, height), (radius, radius)), (0.05, 0.05, 0.05)))
            body.parts.append(Part(outlines.ellipse((x, height), (radius * 0.5, radius * 0.5)), 2))
    return body
