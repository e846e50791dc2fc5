"""Random views of a labelled photograph: crops of any aspect, letterboxes, other light, another camera."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from tuft_training.pets import Labelled
from tuft_training.scenery.camera import Camera

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuft_training.scenery.arrays import RGB

_TRIES: Final = 8
_KEPT: Final = 0.7  # least fraction of the subject that a crop keeps
_COVERED: Final = (0.01, 0.9)  # fractions of the frame that subjects of scenes cover, too
_LETTERBOXED: Final = 0.15
_UNCROPPED: Final = 0.3  # as large as the subject will be in use; crops show it larger


def random_view(rng: np.random.Generator, photograph: Labelled, size_px: int) -> Labelled:
    """A square view of a photograph; not mirrored, since training uses each view twice, the second time mirrored.

    The network sees every picture squashed to a square, so a crop of any aspect is one more aspect of a photograph.

    Args:
        rng: Source of randomness.
        photograph: Of any size.
        size_px: Side of the view.
    """
    view = photograph if rng.random() < _UNCROPPED else _cropped(rng, photograph)
    if rng.random() < _LETTERBOXED:
        view = _letterboxed(rng, view)
    view = resized(view, size_px)
    return view._replace(image=_photographed_again(rng, view.image))


def resized(photograph: Labelled, size_px: int) -> Labelled:
    """A photograph squashed to a square; alpha is known where it is known at all pixels that are averaged."""
    side = (size_px, size_px)
    shrinks = min(photograph.alpha.shape) >= size_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    image, alpha, known = (cv2.resize(part, side, interpolation=method) for part in photograph)
    sure = (known > 0.999) & ((alpha < 0.001) | (alpha > 0.999))
    return Labelled(image, (alpha > 0.5).astype(np.float32), sure.astype(np.float32))


def _cropped(rng: np.random.Generator, photograph: Labelled) -> Labelled:
    """A part that holds most of the subject; the whole picture if no such part is found."""
    height, width = photograph.alpha.shape
    whole = float(photograph.alpha.sum())
    for _ in range(_TRIES):
        rows, columns = round(height * rng.uniform(0.5, 1)), round(width * rng.uniform(0.5, 1))
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
        box = (slice(top, top + rows), slice(left, left + columns))
        part = _each(photograph, operator.itemgetter(box))
        kept, covered = float(part.alpha.sum()) / max(whole, 1), float(part.alpha.mean())
        if kept >= _KEPT and _COVERED[0] < covered < _COVERED[1]:
            return part
    return photograph


def _letterboxed(rng: np.random.Generator, photograph: Labelled) -> Labelled:
    """Padded by repeating its edge pixels, above and below or at the sides."""
    height, width = photograph.alpha.shape
    share = rng.uniform(0.05, 0.5)
    down, across = (round(height * share), 0) if rng.random() < 0.5 else (0, round(width * share))
    return _each(photograph, lambda one: cv2.copyMakeBorder(one, down, down, across, across, cv2.BORDER_REPLICATE))


def _each(photograph: Labelled, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Labelled:
    """The same change of image, alpha and known."""
    return Labelled(change(photograph.image), change(photograph.alpha), change(photograph.known))


def _photographed_again(rng: np.random.Generator, image: RGB) -> RGB:
    camera = Camera.random(rng, image.shape[0])
    colours = (image.astype(np.float32) / 255) ** np.float32(np.exp(rng.normal(0, 0.2)))
    if rng.random() < 0.05:
        colours = np.repeat(colours.mean(axis=2, keepdims=True), 3, axis=2)
    if camera.blur_px >= 0.3:
        colours = cv2.GaussianBlur(colours, (0, 0), camera.blur_px / 2)
    return camera.recorded(rng, camera.exposed(colours).astype(np.float32))
