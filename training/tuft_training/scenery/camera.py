"""The effects of a camera: lens and exposure before compositing, sensor and file after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tuft_training.scenery.layer import Layer

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import RGB, Colours, Field


@dataclass(frozen=True)
class Camera:
    """Settings of one exposure.

    Attributes:
        blur_px: Standard deviation of the subject's blur.
        gains: Exposure times white balance, RGB.
        vignette: Loss of light in the corners, 0..1.
        noise: Standard deviation of the sensor's noise on 0..1.
        sharpening: Strength of an unsharp mask.
        quality: JPEG quality, 0..100; 101 keeps the pixels as they are.
    """

    blur_px: float
    gains: tuple[float, float, float]
    vignette: float
    noise: float
    sharpening: float
    quality: int

    @classmethod
    def random(cls, rng: np.random.Generator, side_px: int) -> Camera:
        """A typical camera, for images whose long side is `side_px`."""
        exposure = rng.uniform(0.75, 1.2)
        warmth = rng.normal(0, 0.07)
        return cls(
            blur_px=float(rng.uniform(0, 0.9) * side_px / 192) if rng.random() < 0.5 else 0.0,
            gains=(exposure * (1 + warmth), exposure, exposure * (1 - warmth)),
            vignette=float(rng.uniform(0, 0.5)) if rng.random() < 0.3 else 0.0,
            noise=float(rng.uniform(0, 0.04)) if rng.random() < 0.6 else 0.0,
            sharpening=float(rng.uniform(0, 0.8)) if rng.random() < 0.3 else 0.0,
            quality=int(rng.integers(40, 96)) if rng.random() < 0.6 else 101,
        )

    def focused(self, layer: Layer) -> Layer:
        """Blurs the subject like the lens; colours stay premultiplied, so alpha and colours remain exact."""
        if self.blur_px < 0.3:
            return layer
        colours = cv2.GaussianBlur(layer.colours, (0, 0), self.blur_px)
        return Layer(colours, cv2.GaussianBlur(layer.alpha, (0, 0), self.blur_px))

    def exposed(self, colours: Colours) -> RGB:
        """Applies exposure, white balance and vignette to colours in 0..1: [h, w, 3] uint8."""
        gains = np.array(self.gains, dtype=np.float32)
        if self.vignette:
            height, width = colours.shape[:2]
            across = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
            down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
            gains = gains * (1 - np.float32(self.vignette / 2) * (across + down))[:, :, None]
        image: RGB = cv2.convertScaleAbs(np.clip(colours * gains, 0, 1), alpha=255)
        return image

    def recorded(self, rng: np.random.Generator, composite: Colours) -> RGB:
        """Applies sharpening, noise and JPEG to a composite, float32 [h, w, 3] in 0..255."""
        if self.sharpening:
            soft = cv2.GaussianBlur(composite, (0, 0), 1.0)
            composite = composite + np.float32(self.sharpening) * (composite - soft)
        if self.noise:
            composite = composite + _grain(rng, composite.shape, 255 * self.noise)
        image: RGB = np.clip(np.rint(composite), 0, 255).astype(np.uint8)
        if self.quality <= 100:
            _, encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, self.quality))
            image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        return image


def _grain(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Colours:
    noise: Colours = rng.standard_normal(shape, dtype=np.float32)
    noise *= np.float32(sigma)
    return noise


def composite(alpha: Field, foreground: RGB, background: RGB) -> Colours:
    """I = a·F + (1 − a)·B, float32 [h, w, 3] in 0..255."""
    weight = alpha[:, :, None]
    return weight * foreground + (1 - weight) * background
