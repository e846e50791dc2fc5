"""Generates photograph-like scenes with exact alpha and exact foreground colours, from a seed, at any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tuft_training.scenery import animals, backgrounds, objects, palettes, people, strands, textures
from tuft_training.scenery.body import Body, paint
from tuft_training.scenery.camera import Camera, composite
from tuft_training.scenery.cutouts import is_cut_below, placed_cutout
from tuft_training.scenery.layer import Layer
from tuft_training.scenery.renders import roughened

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuft_training.scenery.arrays import RGB, Colours, Field, Points
    from tuft_training.scenery.cutouts import Cutouts

_KINDS: tuple[tuple[Callable[[np.random.Generator], Body], float], ...] = (
    (animals.quadruped, 0.16),
    (animals.close_up, 0.18),
    (animals.curled, 0.08),
    (animals.bird, 0.09),
    (animals.creature, 0.09),
    (people.portrait, 0.15),
    (people.figure, 0.1),
    (objects.thing, 0.15),
)

# Renders are small pictures: larger than this, only a texture is left of them.
_RENDERED_EXTENT = 1.3

_CUTOUTS = 0.5  # fraction of cut-outs, real and rendered, if there are any

# Bounds of the fraction of the frame that subjects cover: smaller ones are hardly visible, larger ones have no outline.
_SHARES = (0.01, 0.9)


@dataclass(frozen=True)
class Scene:
    """An image and its ground truth.

    Attributes:
        image: [h, w, 3] uint8, sRGB: the composite as the camera recorded it.
        alpha: [h, w] float32, 0..1: exact coverage by the foreground.
        foreground: [h, w, 3] uint8: colours of the foreground alone, meaningful where alpha > 0.
        background: [h, w, 3] uint8: the complete background.
        category: The name of the function that made the subject (`quadruped`, `portrait`, …), `cutout`, `several` or
            `none`.
    """

    image: RGB
    alpha: Field
    foreground: RGB
    background: RGB
    category: str


def scene(
    seed: int,
    size_hw: tuple[int, int],
    photographs: tuple[RGB, ...] = (),
    cutouts: tuple[Cutouts, ...] = (),
    *,
    recorded: bool = True,
) -> Scene:
    """Generates a scene; deterministic.

    Args:
        seed: Any non-negative integer.
        size_hw: Height and width in pixels, at least 32.
        photographs: Real photographs without a subject, for backgrounds and surfaces.
        cutouts: Real and rendered subjects by kind; if there are any, they make up half of the subjects.
        recorded: Apply the camera's noise, sharpening and JPEG; otherwise `image` is exactly a·F + (1 − a)·B, rounded.
    """
    rng = np.random.default_rng(seed)
    if rng.random() < 0.12:
        return _letterboxed(rng, size_hw, photographs, cutouts, recorded=recorded)
    return _scene(rng, size_hw, photographs, cutouts, recorded=recorded)


def _letterboxed(
    rng: np.random.Generator,
    size_hw: tuple[int, int],
    photographs: tuple[RGB, ...],
    cutouts: tuple[Cutouts, ...],
    *,
    recorded: bool,
) -> Scene:
    """A scene of another aspect ratio in the middle of the frame, padded by repeating its edge pixels."""
    height, width = size_hw
    share = rng.uniform(0.5, 0.95)
    inner_hw = (int(height * share), width) if rng.random() < 0.7 else (height, int(width * share))
    inner = _scene(rng, inner_hw, photographs, cutouts, recorded=recorded)
    top, left = (height - inner_hw[0]) // 2, (width - inner_hw[1]) // 2
    edges = (top, height - inner_hw[0] - top, left, width - inner_hw[1] - left)

    parts = (inner.image, inner.alpha, inner.foreground, inner.background)
    image, alpha, foreground, behind = (cv2.copyMakeBorder(part, *edges, cv2.BORDER_REPLICATE) for part in parts)
    return Scene(image, alpha, foreground, behind, inner.category)


def _scene(
    rng: np.random.Generator,
    size_hw: tuple[int, int],
    photographs: tuple[RGB, ...],
    cutouts: tuple[Cutouts, ...],
    *,
    recorded: bool,
) -> Scene:
    camera = Camera.random(rng, max(size_hw))
    subjects, palette, category = _subjects(rng, size_hw, photographs, cutouts)
    palette = palette if palette is not None and rng.random() < 0.15 else None
    behind = backgrounds.background(rng, size_hw, photographs, palette)
    if rng.random() < 0.5:
        backgrounds.cast_shadow(rng, behind, subjects.alpha)
    subjects = camera.focused(subjects)
    alpha = np.clip(subjects.alpha, 0, 1)
    foreground, background = camera.exposed(subjects.straight_colours()), camera.exposed(behind)
    picture = composite(alpha, foreground, background)
    image = camera.recorded(rng, picture) if recorded else np.rint(picture).astype(np.uint8)
    return Scene(image, alpha, foreground, background, category)


def _subjects(
    rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...], cutouts: tuple[Cutouts, ...]
) -> tuple[Layer, Colours | None, str]:
    """The subjects, the palette of one of them, and the category; drawn again until the coverage is within bounds."""
    while True:
        places = _places(rng)
        layer, palette, category = Layer.empty(size_hw), None, "none"
        for place in places:
            if cutouts and rng.random() < _CUTOUTS:
                palette, category = _add_cutout(rng, layer, place, photographs, cutouts), "cutout"
            else:
                palette, category = _add_subject(rng, layer, place, photographs)
        if not places or _SHARES[0] < layer.alpha.mean() < _SHARES[1]:
            return layer, palette, "several" if len(places) > 1 else category


@dataclass(frozen=True)
class _Place:
    """The position of a subject: its centre and its extent, relative to the frame."""

    centre: tuple[float, float]
    extent: float


def _places(rng: np.random.Generator) -> list[_Place]:
    """Mostly one place, sometimes two or three side by side, rarely none."""
    count = int(rng.choice(4, p=(0.02, 0.82, 0.12, 0.04)))
    if count == 1:
        extent = rng.uniform(0.45, 1.5) if rng.random() < 0.7 else rng.uniform(1.2, 2.2)
        spread = 0.03 + 0.1 * rng.random()
        return [_Place((0.5 + rng.normal(0, spread), 0.5 + rng.normal(0, spread)), extent)]
    slots = (np.arange(count) + 0.5) / max(count, 1)
    return [
        _Place((slot + rng.normal(0, 0.06), 0.5 + rng.normal(0, 0.08)), rng.uniform(0.6, 1.5) / count) for slot in slots
    ]


def _add_subject(
    rng: np.random.Generator, layer: Layer, place: _Place, photographs: tuple[RGB, ...]
) -> tuple[Colours, str]:
    """Paints a random body at a place; returns its palette and its kind."""
    size_hw = layer.size_hw
    weights = [weight for _, weight in _KINDS]
    kind = _KINDS[rng.choice(len(_KINDS), p=weights)][0]
    body = kind(rng)
    matrix, offset = _placement(rng, body, place, size_hw)
    palette = palettes.coat(rng, 3) if rng.random() < 0.6 else palettes.vivid(rng, 3)
    used = {part.paint for part in (*body.parts, *body.details) if isinstance(part.paint, int)}
    materials = {i: textures.material(rng, size_hw, _pair(rng, palette), photographs) for i in sorted(used)}
    scale = float(np.sqrt(abs(np.linalg.det(matrix))))
    body = body.placed(matrix, offset)
    light = rng.uniform(-np.pi, 0)
    subject = Layer.empty(size_hw)
    paint(subject, body.parts, materials, light)
    if body.fur:
        strands.grow_fur(rng, subject, body.fur * scale, rng.uniform(0.5, 1.5))
    paint(subject, body.details, materials, light)
    strands.draw_whiskers(rng, subject, body.whiskers)
    layer.over_premultiplied(subject.colours, subject.alpha)
    return palette, kind.__name__


def _add_cutout(
    rng: np.random.Generator,
    layer: Layer,
    place: _Place,
    photographs: tuple[RGB, ...],
    cutouts: tuple[Cutouts, ...],
) -> Colours:
    """Places a real or rendered subject, in its own or in changed colours; returns its palette."""
    weights = np.array([kind.weight for kind in cutouts])
    kind = cutouts[rng.choice(len(cutouts), p=weights / weights.sum())]
    cutout = kind.pictures[rng.integers(len(kind.pictures))]
    if kind.rendered:
        cutout = roughened(rng, cutout, photographs)
    height, width = layer.size_hw
    extent = min(place.extent, _RENDERED_EXTENT) if kind.rendered else place.extent
    scale = extent * min(height, width) / max(cutout.shape[:2])
    centre = (place.centre[0] * width, place.centre[1] * height)
    if is_cut_below(cutout) and rng.random() < 0.8:  # then the frame cuts it there, too
        centre = (centre[0], height - (0.5 - rng.uniform(0.03, 0.2)) * scale * cutout.shape[0])
    colours, alpha = placed_cutout(rng, cutout, scale, centre, layer.size_hw)
    layer.over_premultiplied(colours, alpha)
    visible = colours[alpha > 0.9]
    if len(visible) < 3:
        return palettes.coat(rng, 3)
    palette: Colours = visible[rng.integers(0, len(visible), 3)]
    return palette


def _pair(rng: np.random.Generator, palette: Colours) -> Colours:
    """Two related colours: one of the palette, and a lighter or darker shade or another of the palette."""
    first, other = palette[rng.integers(0, len(palette), 2)]
    shade = np.clip(first * rng.uniform(0.5, 1.4), 0, 1)
    pair: Colours = np.stack([first, shade if rng.random() < 0.6 else other]).astype(np.float32)
    return pair


def _placement(rng: np.random.Generator, body: Body, place: _Place, size_hw: tuple[int, int]) -> tuple[Points, Points]:
    """The affine map from unit to pixel coordinates: flip, squash, rotation, scale and translation."""
    height, width = size_hw
    low, high = body.bounds()
    middle, span = (low + high) / 2, float((high - low).max())
    squash = np.exp(rng.normal(0, 0.2))
    angle = rng.normal(0, 0.12)
    extent = min(place.extent, rng.uniform(0.9, 2.2)) if body.stands_on_edge else place.extent
    scale = extent * min(height, width) / span
    stretch = np.diag([scale * squash * rng.choice((-1, 1)), scale / squash])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = (stretch @ turn).astype(np.float32)
    centre = np.array([place.centre[0] * width, place.centre[1] * height], dtype=np.float32)
    offset = centre - middle @ matrix
    if body.stands_on_edge:
        hidden = rng.uniform(0.03, 0.2) * float(high[1] - low[1])
        offset[1] = height + (hidden - high[1]) * scale / squash
    return matrix, offset.astype(np.float32)


@dataclass(frozen=True)
class SeveralScene:
    """A scene of several subjects side by side, each with its own truth.

    Attributes:
        scene: The whole scene; its alpha is that of all subjects together.
        alphas: [h, w] float32 for each subject: what is visible of it. They add up to the scene's alpha.
    """

    scene: Scene
    alphas: tuple[Field, ...]


def several_scene(
    seed: int, size_hw: tuple[int, int], photographs: tuple[RGB, ...] = (), *, least_share: float = 0.02
) -> SeveralScene:
    """Generates a scene of two or three subjects; deterministic, and of other scenes than `scene`.

    Args:
        seed: Any non-negative integer.
        size_hw: Height and width in pixels, at least 32.
        photographs: As for `scene`.
        least_share: The least fraction of the frame in which each subject is visible.
    """
    rng = np.random.default_rng([seed, 2])
    camera = Camera.random(rng, max(size_hw))
    layers = [camera.focused(layer) for layer in _several_layers(rng, size_hw, photographs, least_share)]
    subjects = Layer.empty(size_hw)
    for layer in layers:
        subjects.over_premultiplied(layer.colours, layer.alpha)
    behind = backgrounds.background(rng, size_hw, photographs, None)
    foreground, background = camera.exposed(subjects.straight_colours()), camera.exposed(behind)
    image = camera.recorded(rng, composite(subjects.alpha, foreground, background))
    made = Scene(image, subjects.alpha, foreground, background, "several")
    return SeveralScene(made, tuple(_visible(layers)))


def _several_layers(
    rng: np.random.Generator, size_hw: tuple[int, int], photographs: tuple[RGB, ...], least_share: float
) -> list[Layer]:
    """One layer for each subject, from back to front; drawn again until enough of each is visible."""
    while True:
        places = _places(rng)
        if len(places) < 2:
            continue
        layers = [Layer.empty(size_hw) for _ in places]
        for layer, place in zip(layers, places, strict=True):
            _add_subject(rng, layer, place, photographs)
        if min(float(alpha.mean()) for alpha in _visible(layers)) >= least_share:
            return layers


def _visible(layers: list[Layer]) -> list[Field]:
    """What is visible of each layer's alpha under those in front of it."""
    alphas, open_share = [], np.ones(layers[0].size_hw, np.float32)
    for layer in reversed(layers):
        alphas.append(layer.alpha * open_share)
        open_share = open_share * (1 - layer.alpha)
    return alphas[::-1]
