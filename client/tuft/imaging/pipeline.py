"""The imaging stages around the network: `prepare` before it, `finish` after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tuft.errors import NoSubjectError
from tuft.imaging import layout, postprocess, preprocess, selection
from tuft.imaging import refine as refinement
from tuft.imaging.geometry import Box
from tuft.imaging.matte import Matte
from tuft.imaging.pixels import strips
from tuft.presets import working_size
from tuft.stopwatch import Stopwatch

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from tuft.imaging.decoding.load import Photo
    from tuft.imaging.geometry import Geometry
    from tuft.imaging.refine import Stage
    from tuft.imaging.selection import Selection
    from tuft.presets import Preset, Resize


# Alpha up to this counts as transparent, and from 255 minus this as opaque.
_TRANSPARENT: Final = 25


@dataclass(frozen=True, eq=False)
class Prepared:
    """The network's input for a photograph.

    Attributes:
        picture: (S, S, 3) uint8 sRGB, C-contiguous.
        geometry: Where the photograph lies in that square.
    """

    picture: NDArray[np.uint8]
    geometry: Geometry


def prepare(photo: Photo, preset: Preset, *, size: int | None = None, resize: Resize | None = None) -> Prepared:
    """Resizes a photograph to the network's input.

    Args:
        photo: The photograph.
        preset: Gives the working size and the resize mode.
        size: The network's own working size in pixels, if it has one; wins over the preset's.
        resize: The resize mode that the network was trained with, if it is known; wins over the preset's.
    """
    size = working_size(preset, photo.size_hw) if size is None else size
    return Prepared(*preprocess.network_image(photo.rgb, size, resize or preset.resize))


def finish(
    photo: Photo,
    saliency: NDArray[np.floating[Any]],
    geometry: Geometry,
    preset: Preset,
    *,
    watch: Stopwatch | None = None,
    selected: Selection | None = None,
    stage: Stage | None = None,
) -> Matte:
    """Turns the network's saliency into alpha and foreground at the photograph's own resolution.

    Args:
        photo: The photograph.
        saliency: (S, S) float16 or float32 in 0..1, the network's output for `prepare(photo, ...)`.
        geometry: `Prepared.geometry`.
        preset: Gives the scaling and the refinement.
        watch: Measures the stages.
        selected: What a prompt selects in the photograph; everything else is removed before the refinement.
        stage: The matting stage, for presets that ask for it; its exceptions are passed on. Without it their edges are
            classical.

    Raises:
        NoSubjectError: The network found no subject, and neither a selected mask nor the photograph's own alpha tells
            one from a background.
        ContractError: The saliency has another shape than the geometry, or values that are not finite.
    """
    watch = watch or Stopwatch()
    with watch.stage("postprocess"):
        alpha, agreement = _selected_alpha(photo, saliency, geometry, preset, selected)
    with watch.stage("refine"):
        if preset.refine == "matting" and stage is not None:
            alpha = refinement.matted(photo.rgb, alpha, geometry.size, stage)
        elif preset.refine != "none":
            alpha = refinement.refine_alpha(photo.rgb, alpha, geometry.size, overwrite=True)
        if selected is not None:
            alpha = selection.within_reach(alpha, selected)
        alpha = _with_own_alpha(alpha, photo.alpha)
    with watch.stage("colours"):
        foreground = photo.rgb
        if preset.refine in ("edges+colours", "matting"):
            foreground = refinement.estimate_foreground(photo.rgb, alpha)
        if photo.alpha is not None:
            foreground = _with_own_colours(foreground, photo, photo.alpha)
    with watch.stage("compose"):
        return Matte(postprocess.to_uint8(alpha, reference=preset.reference), foreground, agreement)


def _selected_alpha(
    photo: Photo,
    saliency: NDArray[np.floating[Any]],
    geometry: Geometry,
    preset: Preset,
    selected: Selection | None,
) -> tuple[NDArray[np.float32], float | None]:
    """The network's alpha, of what a prompt selects if there is one, and how well both agree."""
    if selected is None:
        return _alpha(photo, saliency, geometry, preset), None
    try:
        alpha = _alpha(photo, saliency, geometry, preset)
    except NoSubjectError:
        if selected.is_box:
            raise
        alpha = np.zeros(photo.size_hw, np.float32)
    kept = selection.kept_inside(alpha, selected)
    if not kept.alpha.any():
        raise NoSubjectError("Nothing stands out in the box: draw it around the subject, or give points on it.")
    return kept


def _alpha(
    photo: Photo, saliency: NDArray[np.floating[Any]], geometry: Geometry, preset: Preset
) -> NDArray[np.float32]:
    """(H, W) alpha in 0..1 of the network; of a photograph cut out before where it finds nothing, its own."""
    try:
        return postprocess.alpha_from_saliency(saliency, geometry, reference=preset.reference)
    except NoSubjectError:
        if photo.alpha is None or photo.alpha.min() > _TRANSPARENT or photo.alpha.max() < 255 - _TRANSPARENT:
            raise
        return photo.alpha / np.float32(255)


def _with_own_alpha(alpha: NDArray[np.float32], own: NDArray[np.uint8] | None) -> NDArray[np.float32]:
    """(H, W) alpha in 0..1, nowhere more opaque than the photograph's own alpha (uint8).

    The minimum of the two, not their product: an edge that is soft in both would fade twice.
    """
    if own is not None:
        for rows in strips(len(own)):
            np.minimum(alpha[rows], own[rows] / np.float32(255), out=alpha[rows])
    return alpha


def part_of(photo: Photo, box: Box) -> Photo:
    """What lies in `box` of a photograph, to cut out a subject there whatever else the photograph shows."""
    alpha = None if photo.alpha is None else layout.window(photo.alpha, box)
    return replace(photo, rgb=layout.window(photo.rgb, box), alpha=alpha)


def embedded(matte: Matte, box: Box, photo: Photo) -> Matte:
    """The matte of a part in the frame of its whole photograph: transparent outside of `box`."""
    height, width = photo.size_hw
    foreground = photo.rgb.copy()
    foreground[box.slices] = matte.foreground
    alpha = layout.window(matte.alpha, Box(-box.left, -box.top, width, height))
    return matte._replace(alpha=alpha, foreground=foreground)


def _with_own_colours(foreground: NDArray[np.uint8], photo: Photo, own: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colours (H, W, 3) that the file itself states where it is translucent: an estimate would keep the backdrop.

    Undoes compositing, C = a·F + (1 − a)·B, so F is known to ± 1/2a levels; over any background that is one half.
    """
    stated = foreground.copy()
    for rows in strips(len(own)):
        translucent = (own[rows] > 0) & (own[rows] < 255)
        weight = own[rows][translucent, None] / np.float32(255)
        seen = photo.rgb[rows][translucent] - (1 - weight) * np.float32(photo.backdrop)
        stated[rows][translucent] = np.rint(np.clip(seen / weight, 0, 255))
    return stated
