"""Generates clips with exact alpha in every frame, from a seed: moving subjects, cameras and backgrounds.

A shot takes a scene that is larger than the frame apart and moves its subject and its background on their own. The
shutter is open for half of a frame's time: a frame is the mean of composites at several moments, and its alpha the mean
of theirs, so that motion blur is exact, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft_training.scenes import scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuft_training.scenery.arrays import RGB, Field

    Moment = tuple[Field, Field, Field]

_MOMENTS: Final = 6
_SHUTTER: Final = 0.5
_MARGIN: Final = 1.4  # the scene's side by the frame's: what moves into the frame has been painted, too
_NOISE: Final = 6.0  # standard deviation of the sensor noise in levels: a room in the evening
_SEEDS_BETWEEN_SHOTS: Final = 1_000_003
_SUBJECT: Final = 0.02
_ITERATIONS: Final = 12


@dataclass(frozen=True)
class ClipFrame:
    """A frame and its ground truth.

    Attributes:
        image: [h, w, 3] uint8, sRGB, as the camera recorded it.
        alpha: [h, w] float32, 0..1: exact coverage by the subject while the shutter was open.
        shot: The number of its shot, from 0.
        places: [h, w, 2] float32 for the subject and for the background: which point of its layer, (x, y) in pixels
            from its middle, is seen at each pixel in the middle of the exposure.
    """

    image: RGB
    alpha: Field
    shot: int
    places: tuple[Field, Field] = field(repr=False)

    def way_to(self, other: ClipFrame) -> Field:
        """The exact motion: from each pixel the way to the same point in another frame of the shot.

        Returns:
            [h, w, 2] float32, (x, y) in pixels; the subject's where its alpha is above 0.02 within 3 pixels, and the
            background's elsewhere.
        """
        subject, background = (_way(here, there) for here, there in zip(self.places, other.places, strict=True))
        near = cv2.dilate((self.alpha > _SUBJECT).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        way: Field = np.where(near[..., None], subject, background)
        return way


@dataclass(frozen=True)
class Motion:
    """How much moves in a shot, at most; lengths are shares of the frame's short side.

    Attributes:
        subject: Translation of the subject.
        turn: Its rotation in radians.
        sway: Its deformation.
        camera: Translation of the camera; the subject stays in view.
        period: Frames of one swing.
    """

    subject: float = 0.05
    turn: float = 0.06
    sway: float = 0.01
    camera: float = 0.05
    period: float = 72.0


STILL_CAMERA: Final = Motion(subject=0.02, turn=0.04, sway=0.008, camera=0.0, period=96.0)
FAST: Final = Motion(subject=0.12, turn=0.2, sway=0.02, camera=0.12, period=48.0)


def clip(
    seed: int, size_hw: tuple[int, int], frames: int, *, shots: int = 1, motion: Motion | None = None, kind: str = ""
) -> Iterator[ClipFrame]:
    """Generates a clip; deterministic.

    Args:
        seed: Any non-negative integer.
        size_hw: Height and width in pixels, at least 32.
        frames: The number of frames.
        shots: Between them are cuts.
        motion: How much moves.
        kind: The category of the scene (`portrait`, `quadruped`, …); any by default.
    """
    lengths = [len(part) for part in np.array_split(np.arange(frames), shots)]
    for number, length in enumerate(lengths):
        shot = _Shot(seed + number * _SEEDS_BETWEEN_SHOTS, size_hw, motion or Motion(), kind)
        for index in range(length):
            yield ClipFrame(*shot.frame(index), number, shot.places(index + _SHUTTER / 2))


def _way(here: Field, there: Field) -> Field:
    """From each pixel to where `there` has the point that `here` has at it, by fixed-point iteration."""
    height, width = here.shape[:2]
    rows, columns = np.indices((height, width), dtype=np.float32)
    way = np.zeros_like(here)
    for _ in range(_ITERATIONS):
        found = cv2.remap(
            there, columns + way[..., 0], rows + way[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
        )
        way += here - found  # layers are turned by little, and not scaled
        np.clip(way, -max(height, width), max(height, width), out=way)
    return way


class _Shot:
    """One subject before one background."""

    def __init__(self, seed: int, size_hw: tuple[int, int], motion: Motion, kind: str) -> None:
        self._size_hw, self._motion = size_hw, motion
        self._rng = np.random.default_rng(seed)
        large_hw = (round(size_hw[0] * _MARGIN), round(size_hw[1] * _MARGIN))
        found = scene(seed, large_hw, recorded=False)
        while not found.alpha.any() or (kind and found.category != kind):
            seed += 1
            found = scene(seed, large_hw, recorded=False)
        alpha = found.alpha[..., None]
        self._subject = np.dstack([found.foreground * alpha, alpha]).astype(np.float32)
        self._background = found.background.astype(np.float32)
        self._phases = self._rng.uniform(0, 2 * np.pi, 8)

    def frame(self, index: int) -> tuple[RGB, Field]:
        """Image and alpha of the frame `index`."""
        composites, alphas = [], []
        for moment in (np.arange(_MOMENTS) + 0.5) / _MOMENTS * _SHUTTER + index:
            subject, behind = self._at(float(moment))
            alpha = np.clip(subject[..., 3:], 0, 1)
            composites.append(subject[..., :3] + (1 - alpha) * behind)
            alphas.append(alpha[..., 0])
        image = np.mean(composites, axis=0) + self._rng.normal(0, _NOISE, (*self._size_hw, 3))
        return np.rint(np.clip(image, 0, 255)).astype(np.uint8), np.mean(alphas, axis=0).astype(np.float32)

    def _at(self, time: float) -> tuple[Field, Field]:
        """The subject, premultiplied with alpha, and the background at a moment."""
        subject, background = self.places(time)
        return _warped(self._subject, subject), _warped(self._background, background)

    def places(self, time: float) -> tuple[Field, Field]:
        """What is seen at each pixel at a moment, see `ClipFrame.places`."""
        motion, phases = self._motion, self._phases
        angle = 2 * np.pi * time / motion.period
        short = min(self._size_hw)
        swing = np.sin(angle * np.array([1, 0.7, 0.6, 0.5, 0.8]) + phases[:5])
        camera = motion.camera * short * swing[:2]
        own = motion.subject * short * swing[2:4]
        rows, columns = (axis.astype(np.float32) for axis in np.indices(self._size_hw))
        sway = motion.sway * short
        wave = 2 * np.pi / short
        across = sway * np.sin(wave * rows * 1.5 + angle * 1.3 + phases[5])
        down = sway * np.sin(wave * columns * 1.2 + angle + phases[6])
        subject = self._seen(columns + across, rows + down, 0.3 * camera + own, motion.turn * swing[4])
        return subject, self._seen(columns, rows, camera, 0.0)

    def _seen(self, columns: Field, rows: Field, shift: Field, turn: float) -> Field:
        """[h, w, 2]: the places of a layer that is moved by `shift` pixels and turned around the middle."""
        height, width = self._size_hw
        x, y = columns - (width - 1) / 2 - np.float32(shift[0]), rows - (height - 1) / 2 - np.float32(shift[1])
        cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        return np.dstack([cosine * x - sine * y, sine * x + cosine * y])


def _warped(layer: Field, places: Field) -> Field:
    """What is seen of a layer."""
    middle = np.array([layer.shape[1] - 1, layer.shape[0] - 1], np.float32) / 2
    places = places + middle
    warped: Field = cv2.remap(layer, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return warped
