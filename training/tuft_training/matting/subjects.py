"""Subjects that are mostly edge: hair, fur on real animals, leaves, nets, feathers, grass, thistles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft_training.scenery import outlines, palettes, textures
from tuft_training.scenery.cutouts import placed_cutout
from tuft_training.scenery.layer import Layer

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import RGB, RGBA, Colours, Field, Points

_OVERSAMPLING: Final = 3
_SHIFT: Final = 4


def subject(
    rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...], cutouts: tuple[RGBA, ...]
) -> Layer:
    """One subject that fills much of the frame."""
    makers = (haired, furred_cutout, leaves, net, thistle, feathers, grass, veil)
    maker = makers[rng.choice(len(makers), p=(0.26, 0.28, 0.14, 0.09, 0.08, 0.06, 0.05, 0.04))]
    return maker(rng, size_hw, photographs, cutouts)


def haired(
    rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...], _cutouts: tuple[RGBA, ...]
) -> Layer:
    """A body or head with long or short hair all over its outline."""
    layer = Layer.empty(size_hw)
    for _ in range(rng.integers(1, 4)):
        _blob(rng, layer, photographs, rng.uniform(0.12, 0.34))
    side = min(size_hw)
    for _ in range(rng.integers(1, 4)):
        long = rng.random() < 0.5
        length = side * (rng.uniform(0.15, 0.5) if long else rng.uniform(0.02, 0.15))
        grow(rng, layer, length, int(rng.integers(300, 2500)), frizz=rng.uniform(0.02, 0.5))
    if rng.random() < 0.5:  # single hairs that fly
        grow(
            rng, layer, side * rng.uniform(0.1, 0.4), int(rng.integers(10, 90)), frizz=rng.uniform(0.1, 0.6), thin=True
        )
    return layer


def furred_cutout(
    rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...], cutouts: tuple[RGBA, ...]
) -> Layer:
    """A real animal or thing, its outline covered by strands in its own colours."""
    if not cutouts:
        return haired(rng, size_hw, photographs, cutouts)
    layer = Layer.empty(size_hw)
    height, width = size_hw
    cutout = cutouts[rng.integers(len(cutouts))]
    extent = rng.uniform(0.8, 2.0)
    centre = (width * rng.uniform(0.3, 0.7), height * rng.uniform(0.3, 0.7))
    layer.over_premultiplied(
        *placed_cutout(rng, cutout, extent * min(size_hw) / max(cutout.shape[:2]), centre, size_hw)
    )
    if rng.random() < 0.85:
        for _ in range(rng.integers(1, 4)):
            length = min(size_hw) * rng.choice((0.02, 0.05, 0.1, 0.2)) * rng.uniform(0.7, 1.6)
            grow(rng, layer, length, int(rng.integers(500, 4000)), frizz=rng.uniform(0.02, 0.35))
    return layer


def leaves(
    rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...], _cutouts: tuple[RGBA, ...]
) -> Layer:
    """Twigs with leaves or petals, and the holes between them."""
    layer = Layer.empty(size_hw)
    height, width = size_hw
    side = min(size_hw)
    inks = [_material(rng, size_hw, photographs) for _ in range(3)]
    root = np.array([width * rng.uniform(0.3, 0.7), height * rng.uniform(0.6, 1.1)])
    size = side * rng.uniform(0.03, 0.16)
    slim = rng.uniform(0.12, 0.5)
    for _ in range(rng.integers(3, 14)):
        angle = -np.pi / 2 + rng.normal(0, 0.7)
        reach = side * rng.uniform(0.3, 0.9)
        knots = [root + rng.normal(0, side * 0.03, 2)]
        for _ in range(3):
            knots.append(knots[-1] + reach / 3 * np.array([np.cos(angle), np.sin(angle)]))
            angle += rng.normal(0, 0.35)
        thick = side * rng.uniform(0.002, 0.012)
        _fill(layer, outlines.limb(np.array(knots, np.float32), (thick * 2, thick)), inks[2])
        line = outlines.curve(np.array(knots, np.float32), 24)
        for at in line[rng.integers(2, 24, rng.integers(4, 22))]:
            turn = angle + rng.choice((-1, 1)) * rng.uniform(0.3, 1.4)
            tip = at + size * rng.uniform(0.5, 1.4) * np.array([np.cos(turn), np.sin(turn)])
            middle = (at + tip) / 2
            radius = float(np.linalg.norm(tip - at)) / 2
            leaf = outlines.ellipse((float(middle[0]), float(middle[1])), (radius, radius * slim), float(turn))
            _fill(layer, leaf, inks[int(rng.integers(2))] * np.float32(rng.uniform(0.6, 1.3)))
    return layer


def net(
    rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...], cutouts: tuple[RGBA, ...]
) -> Layer:
    """Bands, wires or threads that cross, wicker or lace, in a blob; sometimes before a body."""
    layer = haired(rng, size_hw, photographs, cutouts) if rng.random() < 0.3 else Layer.empty(size_hw)
    height, width = size_hw
    side = min(size_hw)
    step, thick = side * rng.uniform(0.02, 0.12), rng.uniform(0.08, 0.45)
    paths = []
    for turn in (rng.uniform(0, np.pi), rng.uniform(0, np.pi)):
        along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
        for k in np.arange(-side, side, step):
            t = np.linspace(-side, side, 40)[:, None]
            wave = side * 0.01 * np.sin(t / side * rng.uniform(3, 9) + rng.uniform(0, 6))
            paths.append(np.array([width / 2, height / 2]) + t * along + (k + wave) * across)
    colours = _ink(rng, _material(rng, size_hw, photographs), len(paths))
    drawn = Layer.empty(size_hw)
    _strands(drawn, np.array(paths, np.float32), colours, np.full(len(paths), step * thick), 1.0, taper=False)
    mask = np.zeros(size_hw, np.uint8)
    outline = outlines.blob(rng, (width / 2, height / 2), (width * 0.4, height * 0.4), 0.15)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 255)
    within = mask.astype(np.float32) / 255
    layer.over_premultiplied(drawn.colours * within[..., None], drawn.alpha * within)
    if rng.random() < 0.5:
        grow(rng, layer, side * rng.uniform(0.02, 0.1), 400, frizz=0.3)
    return layer


def thistle(
    rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...], cutouts: tuple[RGBA, ...]
) -> Layer:
    """Heads of radial spines on stems: dandelions, thistles, brushes."""
    layer = leaves(rng, size_hw, photographs, cutouts) if rng.random() < 0.4 else Layer.empty(size_hw)
    height, width = size_hw
    side = min(size_hw)
    for _ in range(rng.integers(1, 5)):
        centre = np.array([width * rng.uniform(0.2, 0.8), height * rng.uniform(0.2, 0.7)])
        count, reach = int(rng.integers(60, 700)), side * rng.uniform(0.06, 0.3)
        angle = rng.uniform(0, 2 * np.pi, count)[:, None, None]
        t = np.linspace(0, 1, 5)[None, :, None]
        direction = np.concatenate([np.cos(angle + 0.2 * t), np.sin(angle + 0.2 * t)], axis=2)
        paths = centre + direction * t * reach * rng.uniform(0.5, 1, (count, 1, 1))
        stem = centre + np.array([(0, 0), (rng.normal(0, side * 0.1), side * 0.4), (0, side)])
        material = _material(rng, size_hw, photographs)
        _fill(layer, outlines.limb(stem.astype(np.float32), (side * 0.01, side * 0.02)), material)
        heart = outlines.ellipse((float(centre[0]), float(centre[1])), (reach * 0.3, reach * 0.3))
        _fill(layer, heart, material)
        _strands(layer, paths.astype(np.float32), _ink(rng, material, count), _widths(rng, count), rng.uniform(0.6, 1))
    return layer


def feathers(
    rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...], _cutouts: tuple[RGBA, ...]
) -> Layer:
    """Quills with barbs that part."""
    layer = Layer.empty(size_hw)
    height, width = size_hw
    side = min(size_hw)
    _blob(rng, layer, photographs, 0.15)
    for _ in range(rng.integers(3, 12)):
        angle = rng.uniform(0, 2 * np.pi)
        quill = np.array([width / 2, height / 2]) + outlines.curve(
            np.array([(0, 0), (side * 0.2, 0), (side * rng.uniform(0.3, 0.5), side * rng.normal(0, 0.1))], np.float32),
            90,
        ) @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        barb = side * rng.uniform(0.03, 0.1)
        paths = []
        for sign in (-1, 1):
            turn = angle + sign * rng.uniform(0.4, 0.9) + rng.normal(0, 0.05, len(quill))
            t = np.linspace(0, 1, 5)[None, :, None]
            bend = np.stack([np.cos(turn), np.sin(turn)], axis=1)[:, None]
            paths.append(quill[:, None] + t * barb * bend * rng.uniform(0.7, 1.1, (len(quill), 1, 1)))
        all_paths = np.concatenate(paths).astype(np.float32)
        material = _material(rng, size_hw, photographs)
        widths = np.full(len(all_paths), side * rng.uniform(0.002, 0.006))
        _strands(layer, all_paths, _ink(rng, material, len(all_paths)), widths, rng.uniform(0.5, 1))
        _fill(layer, outlines.limb(quill[::30].astype(np.float32), (side * 0.008, side * 0.002)), material)
    return layer


def grass(
    rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...], cutouts: tuple[RGBA, ...]
) -> Layer:
    """Blades that rise from the lower edge, sometimes before a body."""
    layer = haired(rng, size_hw, photographs, cutouts) if rng.random() < 0.5 else Layer.empty(size_hw)
    height, width = size_hw
    count = int(rng.integers(40, 400))
    root = np.stack([rng.uniform(0, width, count), np.full(count, height * rng.uniform(0.7, 1.05))], axis=1)
    t = np.linspace(0, 1, 7)[None, :, None]
    lean = rng.normal(0, 0.4, (count, 1, 1))
    reach = height * rng.uniform(0.1, 0.5) * rng.uniform(0.4, 1, (count, 1, 1))
    paths = root[:, None] + np.concatenate([lean * t**2 * reach, -t * reach], axis=2)
    colours = _ink(rng, _material(rng, size_hw, photographs), count)
    _strands(layer, paths.astype(np.float32), colours, min(size_hw) * rng.uniform(0.002, 0.012, count), 1.0)
    return layer


def veil(
    rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...], cutouts: tuple[RGBA, ...]
) -> Layer:
    """A body with a part that is glass, gauze or smoke: half transparent over an area."""
    layer = haired(rng, size_hw, photographs, cutouts)
    height, width = size_hw
    centre = (width * rng.uniform(0.3, 0.7), height * rng.uniform(0.3, 0.7))
    outline = outlines.blob(rng, centre, (width * rng.uniform(0.1, 0.3), height * rng.uniform(0.1, 0.3)), 0.1)
    opacity = rng.uniform(0.2, 0.8) * (0.5 + 0.5 * textures.clouds(rng, size_hw, max(size_hw) / 5, 2))
    _fill(layer, outline, _material(rng, size_hw, photographs), opacity)
    return layer


def grow(
    rng: np.random.Generator, layer: Layer, length: float, count: int, *, frizz: float, thin: bool = False
) -> None:
    """Grows strands from the layer's rim, combed and clumped, each with the colour near its root."""
    alpha = layer.alpha
    rim = (alpha > 0.6) & (cv2.blur(alpha, (31, 31)) < 0.9)
    places = np.flatnonzero(rim)
    if not len(places):
        return
    chosen = places[rng.integers(0, len(places), count)]
    y, x = np.divmod(chosen, alpha.shape[1])
    soft = cv2.GaussianBlur(alpha, (0, 0), max(alpha.shape) / 50)
    out = -np.stack([cv2.Sobel(soft, cv2.CV_32F, 1, 0)[y, x], cv2.Sobel(soft, cv2.CV_32F, 0, 1)[y, x]], axis=1)
    out /= np.linalg.norm(out, axis=1, keepdims=True) + 1e-5
    comb = rng.uniform(0, 2 * np.pi)
    out += rng.uniform(0, 1.6) * np.array([np.cos(comb), np.sin(comb)], np.float32)
    tuft = textures.clouds(rng, layer.size_hw, max(alpha.shape) / rng.uniform(8, 40))[y, x] - 0.5
    joints = 12
    angle = np.arctan2(out[:, 1], out[:, 0]) + rng.uniform(0.5, 4) * tuft + rng.normal(0, frizz, count)
    curl = rng.normal(0, 0.12, count)[:, None] + rng.normal(0, frizz * 0.6, (count, joints)).cumsum(axis=1) * 0.3
    turns = angle[:, None] + curl * np.arange(joints)
    step = length * rng.uniform(0.3, 1.2, count)[:, None] / joints
    moves = np.stack([np.cos(turns), np.sin(turns)], axis=2) * step[..., None]
    roots = np.stack([x, y], axis=1)[:, None].astype(np.float64)
    paths = roots + np.concatenate([np.zeros((count, 1, 2)), moves.cumsum(axis=1)], axis=1)
    colours = layer.straight_colours()[y, x] * rng.uniform(0.65, 1.35, (count, 1))
    if rng.random() < 0.3:
        colours = colours * 0.4 + rng.uniform(0, 1, 3) * 0.6
    widths = rng.uniform(0.35, 0.9, count).astype(np.float32) if thin else _widths(rng, count)
    _strands(layer, paths.astype(np.float32), np.clip(colours, 0, 1), widths, rng.uniform(0.55, 1))


def _widths(rng: np.random.Generator, count: int) -> Field:
    """Widths of strands in pixels, most of about one pixel."""
    typical = float(np.exp(rng.uniform(np.log(0.5), np.log(3.5))))
    widths: Field = np.clip(typical * rng.uniform(0.6, 1.4, count), 0.34, 8)
    return widths


def _strands(
    layer: Layer, paths: Points, colours: Colours, widths: Field, opacity: float, *, taper: bool = True
) -> None:
    """Draws polylines, wide at the root and thin at the tip, over the layer."""
    height, width = layer.size_hw
    canvas = np.zeros((height * _OVERSAMPLING, width * _OVERSAMPLING, 4), np.uint8)
    fixed = np.round((paths + 0.5) * (_OVERSAMPLING << _SHIFT)).astype(np.int32)
    middle = fixed.shape[1] // 2
    inks = np.round(colours * 255).astype(int).tolist()
    for path, (red, green, blue), wide in zip(fixed, inks, widths, strict=True):
        thick = max(1, round(wide * _OVERSAMPLING))
        ink = (red, green, blue, 255)
        cv2.polylines(canvas, [path[: middle + 1]], False, ink, thick, cv2.LINE_AA, _SHIFT)
        cv2.polylines(canvas, [path[middle:]], False, ink, max(1, thick // 2 if taper else thick), cv2.LINE_AA, _SHIFT)
    drawn = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    drawn *= np.float32(opacity / 255)
    layer.over_premultiplied(drawn[..., :3], drawn[..., 3])


def _fill(layer: Layer, outline: Points, colours: Colours, opacity: float | Field = 1.0) -> None:
    canvas = np.zeros(layer.size_hw, np.uint8)
    cv2.fillPoly(
        canvas, [np.round(np.clip(outline, -4000, 4000) * (1 << _SHIFT)).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT
    )
    mask = canvas.astype(np.float32) / 255 * opacity
    rows, columns = cv2.boundingRect(canvas)[1::2], cv2.boundingRect(canvas)[0::2]
    box = (slice(rows[0], rows[0] + rows[1]), slice(columns[0], columns[0] + columns[1]))
    layer.over(mask[box], np.minimum(colours[box], 1), box)


def _blob(rng: np.random.Generator, layer: Layer, photographs: tuple[RGB, ...], share: float) -> None:
    height, width = layer.size_hw
    centre = (width * rng.uniform(0.3, 0.7), height * rng.uniform(0.35, 0.8))
    radii = (width * share * rng.uniform(0.6, 1.4), height * share * rng.uniform(0.6, 1.4))
    _fill(layer, outlines.blob(rng, centre, radii, rng.uniform(0.03, 0.2)), _material(rng, layer.size_hw, photographs))


def _material(rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...]) -> Colours:
    palette = palettes.coat(rng, 3) if rng.random() < 0.6 else palettes.vivid(rng, 3)
    if photographs and rng.random() < 0.5:
        crop = textures.photograph_crop(rng, size_hw, photographs)
        return textures.tinted(crop, palette[0], float(rng.uniform(0.2, 0.95)))
    return textures.material(rng, size_hw, palette, photographs)


def _ink(rng: np.random.Generator, material: Colours, count: int) -> Colours:
    y, x = rng.integers(0, material.shape[0], count), rng.integers(0, material.shape[1], count)
    inks: Colours = np.clip(material[y, x] * rng.uniform(0.7, 1.3, (count, 1)), 0, 1)
    return inks
