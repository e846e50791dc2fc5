"""Bodies: the parts of one subject in unit coordinates, and how they are painted.

Unit coordinates: x right, y down, the body roughly within -0.5..0.5. A part is painted with one of the body's
materials, or with one colour. Parts are in painter's order; fur covers `parts`, and `details` are above the fur.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tuft_training.scenery import outlines
from tuft_training.scenery.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuft_training.scenery.arrays import Colours, Field, Points

_SHIFT = 4  # OpenCV's fixed-point bits for sub-pixel corners


@dataclass(frozen=True)
class Part:
    """One painted piece of a body.

    Attributes:
        outline: Closed polygon in unit coordinates.
        paint: Index of a material, or an RGB colour in 0..1.
        opacity: 0..1; below 1 the part is translucent.
        softness: Blur of the part's edge, relative to its size.
        inside: Painted only inside the body, for example a marking or a fold.
        cuts: Removes the body instead of painting, for a hole.
        relief: Strength of the shading that makes the part look round.
    """

    outline: Points
    paint: int | tuple[float, float, float] = 0
    opacity: float = 1.0
    softness: float = 0.0
    inside: bool = False
    cuts: bool = False
    relief: float = 0.5


@dataclass
class Body:
    """One subject.

    Attributes:
        parts: Pieces under the fur.
        details: Pieces over the fur: eyes, noses, buttons.
        whiskers: Open curves in unit coordinates, drawn last.
        fur: Length of the strands in unit coordinates; 0 is bare.
        stands_on_edge: The body continues below the frame, like a portrait.
    """

    parts: list[Part] = field(default_factory=list)
    details: list[Part] = field(default_factory=list)
    whiskers: list[Points] = field(default_factory=list)
    fur: float = 0.0
    stands_on_edge: bool = False

    def bounds(self) -> tuple[Points, Points]:
        """The smallest and the largest (x, y) of all parts."""
        corners = np.concatenate([part.outline for part in self.parts])
        return corners.min(axis=0), corners.max(axis=0)

    def placed(self, matrix: Points, offset: Points) -> Body:
        """The body transformed by `x @ matrix + offset`, usually from unit to pixel coordinates."""

        def mapped(outline: Points) -> Points:
            return (outline @ matrix + offset).astype(np.float32)

        return replace(
            self,
            parts=[replace(part, outline=mapped(part.outline)) for part in self.parts],
            details=[replace(part, outline=mapped(part.outline)) for part in self.details],
            whiskers=[mapped(whisker) for whisker in self.whiskers],
        )


def paint(layer: Layer, parts: list[Part], materials: Mapping[int, Colours], light_rad: float) -> None:
    """Paints parts, given in pixel coordinates, over the layer.

    Args:
        layer: Painted in place.
        parts: In painter's order.
        materials: By index, [h, w, 3] each, of the layer's size.
        light_rad: Direction of the light in the image.
    """
    for part in parts:
        box = _box(part.outline, layer.alpha.shape, part.softness)
        if box is None:
            continue
        mask = _coverage(part, box) * np.float32(part.opacity)
        if part.cuts:
            layer.cut(mask, box)
            continue
        if part.inside:
            mask *= layer.alpha[box]
        colour = materials[part.paint][box] if isinstance(part.paint, int) else np.array(part.paint, dtype=np.float32)
        if part.relief:
            colour = colour * _shading(mask, light_rad, part.relief)[:, :, None]
        layer.over(mask, np.minimum(colour, 1), box)


def _box(outline: Points, shape: tuple[int, ...], softness: float) -> tuple[slice, slice] | None:
    low, high = outline.min(axis=0), outline.max(axis=0)
    margin = 2 + softness * float((high - low).max())
    left, top = np.maximum(np.floor(low - margin), 0).astype(int)
    right, bottom = np.minimum(np.ceil(high + margin), (shape[1], shape[0])).astype(int)
    if right - left < 1 or bottom - top < 1:
        return None
    return slice(top, bottom), slice(left, right)


def _coverage(part: Part, box: tuple[slice, slice]) -> Field:
    height, width = box[0].stop - box[0].start, box[1].stop - box[1].start
    canvas = np.zeros((height, width), dtype=np.uint8)
    corners = outlines.moved(part.outline, (-box[1].start, -box[0].start))
    fixed = np.round(np.clip(corners, -8000, 8000) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], 255, cv2.LINE_AA, _SHIFT)
    mask: Field = canvas.astype(np.float32) * np.float32(1 / 255)
    if part.softness:
        sigma = max(part.softness * max(height, width) / 2, 0.3)
        mask = cv2.GaussianBlur(mask, (0, 0), sigma)
    return mask


def _shading(mask: Field, light_rad: float, strength: float) -> Field:
    """Shading factors for light from one side and darker rims, about 1 on average."""
    height, width = mask.shape
    size = max(3, min(height, width) // 3 | 1)
    depth = cv2.blur(mask, (size, size), borderType=cv2.BORDER_REPLICATE)
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None] * np.float32(np.cos(light_rad))
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * np.float32(np.sin(light_rad))
    shade: Field = 1 + np.float32(strength) * ((across + down) - 1.2 * (1 - depth) + 0.2)
    return np.clip(shade, 0.15, 1.7, out=shade)
