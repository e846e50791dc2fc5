"""The result of `tuft.Client.remove_frames`: a cut-out of each frame of an animation."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tuft.background import require_type, resolve_background
from tuft.errors import OptionError
from tuft.files import write_atomically
from tuft.imaging.animation import ANIMATION_FORMATS, encode_animation
from tuft.text import shown

if TYPE_CHECKING:
    from tuft.background import Background
    from tuft.cutout import Cutout
    from tuft.imaging import compose


@dataclass(frozen=True, eq=False)
class CutoutAnimation:
    """The cut-outs of an animation's frames.

    Attributes:
        cutouts: One for each frame; wholly transparent where a frame has no subject.
        durations_ms: How long each is shown.
        plays: How often the animation is played; 0 is for ever.
    """

    cutouts: tuple[Cutout, ...] = field(repr=False)
    durations_ms: tuple[int, ...]
    plays: int

    def to_bytes(
        self,
        format: str = "webp",
        *,
        background: Background | None = None,
        lossless: bool = True,
        quality: int = 90,
        output_type: compose.OutputType = "cutout",
    ) -> bytes:
        """Encodes the cut-outs as an animation.

        Args:
            format: `webp`, `png` (APNG) or `gif`, which has 255 colours a frame, and no half-transparent pixels.
            background: The new background of all frames, see `Cutout.over`; transparent by default.
            lossless: Whether WebP is lossless.
            quality: 1..100 for lossy WebP.
            output_type: What is shown of each cut-out, see `Cutout.as_type`; a background needs `cutout`.

        Raises:
            OptionError: There is no such format, or the cut-outs have different sizes.
            ImageError: The background image cannot be used; the class tells why.
        """
        require_type(output_type)
        if background is not None and output_type != "cutout":
            raise OptionError("A background goes behind a cut-out only: leave out the background or the type.")
        behind = None if background is None else resolve_background(background)
        pictures = [
            np.asarray(cutout.as_type(output_type) if behind is None else cutout.over(behind))
            for cutout in self.cutouts
        ]
        return encode_animation(
            pictures, self.durations_ms, format, plays=self.plays, lossless=lossless, quality=quality
        )

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        background: Background | None = None,
        format: str | None = None,
        lossless: bool = True,
        quality: int = 90,
        output_type: compose.OutputType = "cutout",
    ) -> None:
        """Writes the animation to a file atomically.

        Args:
            path: The file; its suffix decides the format: `.webp`, `.png` or `.gif`.
            background: See `to_bytes`.
            format: Instead of the format of the suffix.
            lossless: See `to_bytes`.
            quality: See `to_bytes`.
            output_type: See `to_bytes`.

        Raises:
            OptionError: There is no such format, or the cut-outs have different sizes.
            ImageError: The background image cannot be used; the class tells why.
            OutputError: The file cannot be written.
        """
        format = format or animation_format(path)
        write_atomically(
            path,
            self.to_bytes(format, background=background, lossless=lossless, quality=quality, output_type=output_type),
        )


def animation_format(path: str | os.PathLike[str]) -> str:
    """The format of an animation that belongs to the suffix of `path`.

    Raises:
        OptionError: tuft writes no animations with this suffix.
    """
    format = Path(path).suffix.lower().removeprefix(".")
    if format not in ANIMATION_FORMATS:
        suffixes = ", ".join(f".{name}" for name in ANIMATION_FORMATS)
        raise OptionError(f"tuft writes no animated {shown(format) or 'files without a suffix'}: end it in {suffixes}.")
    return format
