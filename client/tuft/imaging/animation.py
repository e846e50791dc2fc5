"""Encodes animations: WebP, APNG and GIF."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from tuft.errors import OptionError
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ANIMATION_FORMATS: Final = ("webp", "png", "gif")
# The index of transparent pixels in the palettes of a GIF, and the alpha from which on a pixel is opaque.
_TRANSPARENT: Final = 255
_OPAQUE: Final = 128


def encode_animation(
    frames: Sequence[NDArray[np.uint8]],
    durations_ms: Sequence[int],
    format: str,
    *,
    plays: int = 0,
    lossless: bool = True,
    quality: int = 90,
) -> bytes:
    """Encodes frames as an animation, in which each replaces the one before, transparent pixels included.

    Args:
        frames: Each uint8 (H, W), (H, W, 3) or (H, W, 4) with straight alpha.
        durations_ms: How long each is shown.
        format: `webp`; `png`; or `gif`, which has 255 colours a frame, and no half-transparent pixels.
        plays: How often it is played; 0 is for ever.
        lossless: Whether WebP is lossless.
        quality: 1..100 for lossy WebP.

    Raises:
        OptionError: There is no such format, or the frames have different sizes.
    """
    if format not in ANIMATION_FORMATS:
        names = ", ".join(ANIMATION_FORMATS)
        raise OptionError(f"tuft writes no animated {shown(repr(format))}: choose one of {names}.")
    if len({frame.shape[:2] for frame in frames}) != 1:
        raise OptionError("The frames of an animation need one size: leave out what crops each on its own.")
    translucent = any(frame.ndim == 3 and frame.shape[2] == 4 for frame in frames)
    options: dict[str, Any] = {"save_all": True, "duration": list(durations_ms), "loop": plays}
    images = [palette_image(frame) if format == "gif" else Image.fromarray(frame) for frame in frames]
    if format == "gif":
        options |= {"disposal": 2, "optimize": False}
        options |= {"transparency": _TRANSPARENT, "background": _TRANSPARENT} if translucent else {}
        options["loop"] = {0: 0, 1: None}.get(plays, plays - 1)  # it counts repetitions, if any
    elif format == "webp":
        # Every frame is whole: libwebp states no alpha for a file whose frames are but their opaque parts.
        options |= {"lossless": lossless, "quality": 0 if lossless else quality, "method": 0, "kmin": 0, "kmax": 1}
        images = [image.convert("RGB") if image.mode == "L" else image for image in images]
    else:
        options |= {"disposal": 0, "blend": 0}
    file = io.BytesIO()
    images[0].save(file, format.upper(), append_images=images[1:], **options)
    return file.getvalue()


def palette_image(frame: NDArray[np.uint8]) -> Image.Image:
    """A picture of 255 colours and one transparent one."""
    rgb = np.dstack([frame] * 3) if frame.ndim == 2 else np.ascontiguousarray(frame[..., :3])
    palette = Image.fromarray(rgb).quantize(_TRANSPARENT, Image.Quantize.MEDIANCUT)
    if frame.ndim == 2 or frame.shape[2] == 3:
        return palette
    colours = (palette.getpalette() or [])[: 3 * _TRANSPARENT]
    indices = np.where(frame[..., 3] < _OPAQUE, np.uint8(_TRANSPARENT), np.asarray(palette))
    image = Image.fromarray(indices, mode="P")
    image.putpalette([*colours, *bytes(3 * (_TRANSPARENT + 1) - len(colours))])
    image.info["transparency"] = _TRANSPARENT
    return image
