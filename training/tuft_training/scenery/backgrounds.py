"""Backgrounds: landscapes, interiors, studios and blurred fields, with edges and clutter that are not the subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tuft_training.scenery import outlines, palettes, textures

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import RGB, Colours, Field, Points

_SHIFT = 4


def background(
    rng: np.random.Generator,
    size_hw: tuple[int, int],
    photographs: tuple[RGB, ...] = (),
    palette: Colours | None = None,
) -> Colours:
    """An image without a subject.

    Args:
        rng: Source of randomness.
        size_hw: Height and width in pixels.
        photographs: Real photographs, used for about a third of the backgrounds if there are any.
        palette: Colours to use, [n, 3], for example those of the subject; random by default.

    Returns:
        float32 [h, w, 3], RGB in 0..1.
    """
    if photographs and palette is None and rng.random() < 0.4:
        picture = textures.photograph_crop(rng, size_hw, photographs)
    else:
        family = rng.choice(6, p=(0.16, 0.2, 0.22, 0.16, 0.16, 0.1))
        makers = (_studio, _landscape, _interior, _foliage, _surface, _bokeh)
        picture = makers[family](rng, size_hw, palettes.place(rng, 4) if palette is None else palette)
    if rng.random() < 0.45:
        _clutter(rng, picture)
    return _out_of_focus(rng, picture)


def _studio(rng: np.random.Generator, size_hw: tuple[int, int], palette: Colours) -> Colours:
    """A plain backdrop with a soft gradient, often white or grey."""
    if rng.random() < 0.4:
        palette = np.full((2, 3), rng.choice((0.02, 0.5, 0.8, 0.97)), dtype=np.float32) * rng.uniform(0.9, 1, (2, 3))
    field = textures.ramp(size_hw, rng.uniform(0, 2 * np.pi))
    field = field * np.float32(0.7) + textures.clouds(rng, size_hw, max(size_hw) / 2) * np.float32(0.3)
    return textures.coloured(field, palette[:2].astype(np.float32))


def _landscape(rng: np.random.Generator, size_hw: tuple[int, int], palette: Colours) -> Colours:
    """Sky, hills behind hills, and textured ground below a horizon."""
    height, width = size_hw
    picture = textures.coloured(textures.ramp(size_hw, np.pi / 2), palette[:2])
    picture *= 1 - rng.uniform(0, 0.4) * textures.clouds(rng, size_hw, width / 3, 3)[:, :, None]
    level = rng.uniform(0.1, 0.7) * height
    for i in range(rng.integers(1, 4)):
        ground = textures.material(rng, size_hw, palettes.place(rng, 2) if i else palette[2:])
        rise = textures.clouds(rng, (4, width), width / 4, 3)[0] - 0.5
        line = level + rise * height * rng.uniform(0, 0.3)
        mask = np.clip(np.arange(height, dtype=np.float32)[:, None] - line, 0, 1).astype(np.float32)
        _lay(picture, ground, mask)
        level += rng.uniform(0.1, 0.4) * height
    return picture


def _interior(rng: np.random.Generator, size_hw: tuple[int, int], palette: Colours) -> Colours:
    """A wall and a floor or a table, with frames, shelves, windows or planks."""
    height, width = size_hw
    wall = textures.material(rng, size_hw, palette[:2])
    picture: Colours = wall * np.float32(0.4) + wall.mean(axis=(0, 1)) * np.float32(0.6)
    picture *= (0.7 + 0.5 * textures.ramp(size_hw, rng.uniform(0, 6)))[:, :, None]
    for _ in range(rng.integers(0, 7)):
        _panel(rng, picture)
    if rng.random() < 0.75:
        level = rng.uniform(0.45, 0.9) * height
        slope = rng.normal(0, 0.08) * height
        corners = outlines.points((-2, level), (width + 2, level + slope), (width + 2, height + 2), (-2, height + 2))
        _lay(picture, textures.material(rng, size_hw, palette[2:]), _filled(corners, size_hw))
    return picture


def _panel(rng: np.random.Generator, picture: Colours) -> None:
    """An upright or lying rectangle with a flat or textured filling: a picture, a curtain, a flag, a board."""
    height, width = picture.shape[:2]
    centre = (rng.uniform(0, width), rng.uniform(0, height))
    radii = (rng.uniform(0.02, 0.3) * width, rng.uniform(0.02, 0.6) * height)
    outline = outlines.turned(outlines.slab(centre, radii, 8), rng.normal(0, 0.1), centre)
    mask = _filled(outline, (height, width))
    colours = palettes.place(rng, 2) if rng.random() < 0.6 else palettes.vivid(rng, 2)
    if rng.random() < 0.5:
        filling = textures.coloured(
            textures.stripes(rng, (height, width), max(4.0, width * rng.uniform(0.03, 0.15)), 0.3), colours
        )
        _lay(picture, filling, mask)
    else:
        _lay(picture, colours[0], mask)


def _foliage(rng: np.random.Generator, size_hw: tuple[int, int], palette: Colours) -> Colours:
    """Leaves, grass or twigs all over the frame."""
    height, width = size_hw
    picture = textures.coloured(textures.clouds(rng, size_hw, width / 5, 3), palette) * np.float32(0.7)
    canvas = np.ascontiguousarray(np.clip(picture * 255, 0, 255).astype(np.uint8))
    lean, length = rng.uniform(0, np.pi), rng.uniform(0.04, 0.25) * width
    thin = rng.random() < 0.5
    for _ in range(rng.integers(60, 260)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        angle, reach = lean + rng.normal(0, 0.6), length * rng.uniform(0.3, 1)
        colour = np.clip(palette[rng.integers(len(palette))] * rng.uniform(100, 330), 0, 255).tolist()
        if thin:
            end = (int(x + reach * np.cos(angle)), int(y + reach * np.sin(angle)))
            cv2.line(canvas, (int(x), int(y)), end, colour, int(max(1, width / 190)), cv2.LINE_AA)
        else:
            axes = (int(reach / 2) + 1, int(reach / rng.uniform(4, 8)) + 1)
            cv2.ellipse(canvas, (int(x), int(y)), axes, float(np.degrees(angle)), 0, 360, colour, -1, cv2.LINE_AA)
    leaves: Colours = canvas.astype(np.float32) * np.float32(1 / 255)
    return leaves


def _surface(rng: np.random.Generator, size_hw: tuple[int, int], palette: Colours) -> Colours:
    """A single material: cloth, stone, planks, carpet, sand."""
    picture = textures.material(rng, size_hw, palette)
    picture *= (0.7 + 0.5 * textures.ramp(size_hw, rng.uniform(0, 6)))[:, :, None]
    return picture


def _bokeh(rng: np.random.Generator, size_hw: tuple[int, int], palette: Colours) -> Colours:
    """Lights far out of focus: translucent discs over a soft ground."""
    height, width = size_hw
    picture = textures.coloured(textures.clouds(rng, size_hw, width / 3, 2), palette) * np.float32(0.6)
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    radius = rng.uniform(0.01, 0.07) * width
    for _ in range(rng.integers(10, 60)):
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        colour = (palette[rng.integers(len(palette))] * rng.uniform(40, 160)).tolist()
        cv2.circle(canvas, centre, int(radius * rng.uniform(0.6, 1.2)) + 1, colour, -1, cv2.LINE_AA)
    picture += canvas.astype(np.float32) * np.float32(1 / 255)
    return picture


def _clutter(rng: np.random.Generator, picture: Colours) -> None:
    """Objects that are not the subject: poles and branches across the frame, and stones, small or cut off by it."""
    height, width = picture.shape[:2]
    side = max(height, width)
    for _ in range(rng.integers(1, 7)):
        colour = palettes.place(rng, 1)[0]
        if rng.random() < 0.5:
            angle = rng.choice((0.0, np.pi / 2, rng.uniform(0, np.pi)))
            middle = np.array([rng.uniform(0, width), rng.uniform(0, height)])
            reach = 1.5 * side * np.array([np.cos(angle), np.sin(angle)])
            bend = rng.normal(0, 0.03, 2) * side
            outline = outlines.limb(
                np.stack([middle - reach, middle + bend, middle + reach]).astype(np.float32),
                (rng.uniform(0.005, 0.06) * side, rng.uniform(0.005, 0.06) * side),
            )
        else:
            edge = rng.random() < 0.7
            centre = _on_frame(rng, height, width) if edge else (rng.uniform(0, width), rng.uniform(0, height))
            radius = side * (rng.uniform(0.05, 0.3) if edge else rng.uniform(0.01, 0.05))
            outline = outlines.blob(rng, centre, (radius, radius * rng.uniform(0.4, 1.5)), 0.15)
        mask = _filled(outline, (height, width))
        grain = 0.8 + 0.4 * textures.clouds(rng, (height, width), side * rng.uniform(0.02, 0.2), 2)[:, :, None]
        _lay(picture, colour * grain, mask)
    np.clip(picture, 0, 1, out=picture)


def _lay(picture: Colours, colours: Colours, mask: Field) -> None:
    """Blends colours over the picture by a mask."""
    picture += (colours - picture) * mask[:, :, None]


def _on_frame(rng: np.random.Generator, height: int, width: int) -> tuple[float, float]:
    along = rng.random()
    sides = ((along * width, 0.0), (along * width, height), (0.0, along * height), (width, along * height))
    x, y = sides[rng.integers(4)]
    return (float(x), float(y))


def _filled(outline: Points, size_hw: tuple[int, int]) -> Field:
    canvas = np.zeros(size_hw, dtype=np.uint8)
    fixed = np.round(np.clip(outline, -8000, 8000) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], 255, cv2.LINE_AA, _SHIFT)
    mask: Field = canvas.astype(np.float32) * np.float32(1 / 255)
    return mask


def _out_of_focus(rng: np.random.Generator, picture: Colours) -> Colours:
    """Blurs the background like a lens focused on the subject, from not at all to unrecognisable."""
    sigma = max(picture.shape[:2]) * rng.choice(
        (0.0, rng.uniform(0.001, 0.01), rng.uniform(0.01, 0.05)), p=(0.4, 0.3, 0.3)
    )
    if sigma < 0.3:
        return np.clip(picture, 0, 1)
    step = 2 if sigma > 3 else 1  # a wide blur needs no full resolution
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (max(width // step, 1), max(height // step, 1)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step)
    blurred: Colours = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(blurred, 0, 1)


def cast_shadow(rng: np.random.Generator, picture: Colours, alpha: Field) -> None:
    """Darkens the background by the subject's shadow: its outline, moved and blurred."""
    height, width = alpha.shape
    shift = np.array([[1, 0, rng.normal(0, 0.06) * width], [0, rng.uniform(0.2, 1.0), 0]], dtype=np.float32)
    lowest = np.flatnonzero(alpha.max(axis=1) > 0.3)
    foot = float(lowest[-1]) if len(lowest) else height
    shift[1, 2] = foot * (1 - shift[1, 1]) + rng.uniform(0, 0.03) * height
    sigma = max(height, width) * rng.uniform(0.005, 0.05)
    shadow = cv2.GaussianBlur(cv2.warpAffine(alpha, shift, (width, height)), (0, 0), sigma)
    picture *= 1 - np.float32(rng.uniform(0.1, 0.6)) * shadow[:, :, None]
