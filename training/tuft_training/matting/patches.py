"""Patches of pictures with exact alpha, coarse mattes and classical estimates, made once and kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft.imaging.refine.estimates import estimates
from tuft_training.matting.coarse import coarse_matte
from tuft_training.matting.subjects import subject
from tuft_training.pets import draw
from tuft_training.scenery import backgrounds, textures
from tuft_training.scenery.cutouts import Cutouts
from tuft_training.scenery.layer import Layer
from tuft_training.scenes import scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuft_training.pets import Split
    from tuft_training.scenery.arrays import RGB, RGBA, Field

SIDE_PX: Final = 224
INPUTS: Final = 9  # red, green, blue, coarse, by line, refined, the trust of both estimates, likelihood by colour
_PER_MATTE: Final = 4
_SIMULATED: Final = 2  # coarse mattes of a picture, beside a real network's
_SIZES: Final = (384, 512, 768, 1024)
# A coarse matte that misses the subject teaches nothing: no stage at an edge can repair it.
_LEAST_OVERLAP: Final = 0.5
# Bounds of the sides of photographs in pixels.
_LEAST_PX: Final = 288
_MOST_PX: Final = 800


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and its truth.

    Attributes:
        image: [h, w, 3] uint8.
        alpha: [h, w] float32, 0..1.
        foreground: [h, w, 3] uint8.
        known: [h, w] float32: 1 where the truth is known, else 0.
    """

    image: RGB
    alpha: Field
    foreground: RGB
    known: Field


def picture(seed: int, photographs: tuple[RGB, ...], cutouts: tuple[RGBA, ...]) -> Picture:
    """A picture that is mostly edge, or, once in four, a scene of the demo's training; deterministic."""
    rng = np.random.default_rng(seed)
    side = int(rng.choice((448, 576, 704)))
    if rng.random() < 0.25:
        made = scene(seed, (side, side), photographs, (Cutouts(cutouts),) if cutouts else ())
        return Picture(made.image, made.alpha, made.foreground, np.ones_like(made.alpha))
    # Some are made larger and reduced, as photographs are: strands thinner than a pixel, alpha of every level.
    factor = float(rng.choice((1.0, 1.0, 1.5, 2.0)))
    made_px = round(side * factor)
    layer = subject(rng, (made_px, made_px), photographs, cutouts)
    if rng.random() < 0.75 and photographs:
        behind = textures.photograph_crop(rng, (made_px, made_px), photographs)
        if rng.random() < 0.4:
            behind = cv2.GaussianBlur(behind, (0, 0), float(np.exp(rng.uniform(0, np.log(made_px / 40)))))
    else:
        behind = backgrounds.background(rng, (made_px, made_px), photographs)
    return _photographed(rng, layer, behind, side)


def _photographed(rng: np.random.Generator, layer: Layer, behind: NDArray[np.float32], side: int) -> Picture:
    """Lens, exposure, and what happens to the file afterwards."""
    made_px = layer.alpha.shape[0]
    blur = rng.uniform(0.3, 0.9) * made_px / side
    if rng.random() < 0.12:  # soft focus
        blur = rng.uniform(1, 4)
    colours, alpha = (cv2.GaussianBlur(plane, (0, 0), blur) for plane in (layer.colours, layer.alpha))
    if made_px != side:
        colours, alpha, behind = (
            cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA) for plane in (colours, alpha, behind)
        )
    alpha = np.clip(alpha, 0, 1)
    gains = rng.uniform(0.7, 1.25) * (1 + rng.normal(0, 0.05, 3))
    straight = np.clip(Layer(colours, alpha).straight_colours() * gains, 0, 1).astype(np.float32)
    behind = np.clip(behind * gains, 0, 1).astype(np.float32)
    # A little of the surroundings' light lies on the subject, so that both are alike as in photographs.
    if rng.random() < 0.5:
        straight = straight * np.float32(0.8) + np.float32(0.2) * behind.mean(axis=(0, 1)) * straight / max(
            float(straight[alpha > 0.5].mean()) if (alpha > 0.5).any() else 1.0, 0.05
        )
        straight = np.clip(straight, 0, 1)
    composed = alpha[..., None] * straight + (1 - alpha[..., None]) * behind
    composed = composed * 255
    if rng.random() < 0.5:
        composed = composed + np.float32(rng.uniform(0.1, 0.9)) * (composed - cv2.GaussianBlur(composed, (0, 0), 1.0))
    if rng.random() < 0.7:
        sigma = float(rng.choice((1.0, 2.0, 4.0, 8.0)) * rng.random())
        grain = rng.standard_normal(composed.shape, dtype=np.float32) * np.float32(sigma)
        composed = composed + (cv2.GaussianBlur(grain, (0, 0), 0.7) * 1.6 if rng.random() < 0.5 else grain)
    image = np.clip(np.rint(composed), 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = int(rng.integers(60, 99))
        image = cv2.imdecode(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1], cv2.IMREAD_COLOR)
    foreground = np.rint(straight * 255).astype(np.uint8)
    return Picture(image, alpha.astype(np.float32), foreground, np.ones(alpha.shape, np.float32))


def photographed(seed: int, sets: dict[str, Split]) -> Picture:
    """A real photograph, whose mask knows inside and outside, but not the edge."""
    rng = np.random.default_rng(seed)
    found = draw(rng, sets).read()
    scale = max(_LEAST_PX / min(found.alpha.shape), min(1.0, _MOST_PX / max(found.alpha.shape)))
    side_wh = (round(found.alpha.shape[1] * scale), round(found.alpha.shape[0] * scale))
    image, alpha = (cv2.resize(one, side_wh, interpolation=cv2.INTER_AREA) for one in (found.image, found.alpha))
    known = cv2.resize(found.known, side_wh, interpolation=cv2.INTER_AREA)
    return Picture(image, alpha, image, (known > 0.99).astype(np.float32))


def patches(seed: int, made: Picture, predict: Callable[[RGB, int], Field] | None) -> NDArray[np.uint8] | None:
    """The patches along the edges of a picture, or None: uint8 [n, side, side, 9 inputs, alpha, foreground, known].

    Args:
        seed: Of the coarse mattes and the places.
        made: The picture.
        predict: A network's matte of an image at a working size, for some of the pictures.
    """
    rng = np.random.default_rng(seed + 1)
    found: list[tuple[Field, int] | None] = [_simulated(rng, made) for _ in range(_SIMULATED)]
    if predict is not None and rng.random() < (0.45 if made.known.all() else 0.9):
        found.append(_predicted(rng, made, predict))
    pieces = [cut for one in found if one is not None and (cut := _around_edges(rng, made, *one)) is not None]
    return np.concatenate(pieces) if pieces else None


def _simulated(rng: np.random.Generator, made: Picture) -> tuple[Field, int]:
    size = int(rng.choice(_SIZES))
    return coarse_matte(rng, made.alpha, made.image, size), size


def _predicted(
    rng: np.random.Generator, made: Picture, predict: Callable[[RGB, int], Field]
) -> tuple[Field, int] | None:
    size = 384 if rng.random() < 0.8 else 1024
    coarse = predict(made.image, size)
    low, high = float(coarse.min()), float(coarse.max())
    return (np.clip((coarse - low) / (high - low), 0, 1), size) if high >= 0.5 else None


def _around_edges(rng: np.random.Generator, made: Picture, coarse: Field, size: int) -> NDArray[np.uint8] | None:
    both = (np.minimum(coarse, made.alpha) * made.known).sum()
    if both < _LEAST_OVERLAP * (np.maximum(coarse, made.alpha) * made.known).sum():
        return None
    estimate = estimates(made.image, coarse.astype(np.float32), size)
    if estimate is None:
        return None
    whole = (slice(0, made.alpha.shape[0]), slice(0, made.alpha.shape[1]))
    truth = np.dstack([made.alpha * 255, made.foreground, made.known * 255])
    weight = estimate.band.weight(whole)
    error = (np.abs(estimate.refined - made.alpha) + np.float32(0.03)) * weight * made.known
    return _cut(rng, np.dstack([estimate.planes(whole), np.rint(truth).astype(np.uint8)]), error)


def _cut(rng: np.random.Generator, planes: NDArray[np.uint8], weight: Field) -> NDArray[np.uint8] | None:
    height, width = weight.shape
    blurred = cv2.blur(weight, (SIDE_PX, SIDE_PX), borderType=cv2.BORDER_CONSTANT)
    inner = blurred[SIDE_PX // 2 : height - SIDE_PX // 2, SIDE_PX // 2 : width - SIDE_PX // 2]
    chances = inner[::8, ::8].astype(np.float64)
    if chances.sum() <= 0:
        return None
    chosen = rng.choice(chances.size, _PER_MATTE, p=(chances / chances.sum()).ravel())
    pieces = []
    for y, x in zip(*np.divmod(chosen, chances.shape[1]), strict=True):
        top, left = int(y) * 8, int(x) * 8
        pieces.append(planes[top : top + SIDE_PX, left : left + SIDE_PX])
    cut: NDArray[np.uint8] = np.stack(pieces)
    return cut


def keep(folder: Path, seed: int, found: NDArray[np.uint8]) -> None:
    """Writes the patches of one picture, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{seed:07}.part"
    with temporary.open("wb") as file:
        np.save(file, found)
    temporary.replace(folder / f"{seed:07}.npy")
