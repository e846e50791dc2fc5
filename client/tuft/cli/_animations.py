"""What `tuft remove --all-frames` does differently: every frame is cut out, and written as an animation."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft.batch.plan import STDOUT
from tuft.errors import OptionError
from tuft.imaging import ANIMATION_FORMATS, FORMAT_OF_SUFFIX

if TYPE_CHECKING:
    import argparse

    from tuft.animation import CutoutAnimation
    from tuft.cli._output import Output
    from tuft.imaging import compose

# What fits a frame alone, or keeps what belongs to one picture.
_NOT_WITH_FRAMES: Final = ("crop", "crop_margin", "position", "keep_metadata", "report")


def animation_format_of(arguments: argparse.Namespace) -> str:
    """The format of the animations: the one given, else that of the output's suffix, else WebP.

    Raises:
        OptionError: It has no animations, or other options do not go with `--all-frames`.
    """
    unfit = [name for name in _NOT_WITH_FRAMES if getattr(arguments, name) not in (None, False)]
    if arguments.scale != "original":
        unfit.append("scale")
    if unfit:
        name = unfit[0].replace("_", "-")
        raise OptionError(f"--{name} is for single pictures: leave it out, or leave out --all-frames.")
    suffix = Path(arguments.output or "").suffix.lower()
    of_suffix = "gif" if suffix == ".gif" else FORMAT_OF_SUFFIX.get(suffix)
    format = arguments.format or of_suffix or ANIMATION_FORMATS[0]
    if format not in ANIMATION_FORMATS:
        raise OptionError(f"{format} has no animations: choose one of {', '.join(ANIMATION_FORMATS)}.")
    return str(format)


def save_animation(
    animation: CutoutAnimation,
    target: Path,
    *,
    output: Output,
    background: compose.Background | None,
    format: str,
    quality: int | None,
) -> None:
    """Writes the cut-outs as `output` wants them, to a file or to the standard output."""
    animation = replace(animation, cutouts=tuple(map(output.apply, animation.cutouts)))
    encoding: dict[str, Any] = {} if quality is None else {"lossless": False, "quality": quality}
    encoding |= {"background": background, "format": format, "output_type": output.output_type}
    if target == STDOUT:
        sys.stdout.buffer.write(animation.to_bytes(**encoding))
        sys.stdout.buffer.flush()
    else:
        animation.save(target, **encoding)
