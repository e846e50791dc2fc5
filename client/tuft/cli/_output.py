"""The options of `tuft remove` and `tuft batch` for what becomes of a cut-out, see `tuft.batch.output`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tuft import imaging
from tuft.batch.output import Output
from tuft.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Output", "add_output_options"]


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Adds them."""
    parser.add_argument("--output-type", choices=imaging.OUTPUT_TYPES, default="cutout",
                        help="the cut-out by default; its mask in grey, its colours without alpha, over chroma green, "
                             "or the photograph with its background tinted")  # fmt: skip
    parser.add_argument("--roi", type=_checked(imaging.parse_region), metavar="'X1 Y1 X2 Y2'",
                        help="region of the photograph that holds the subject, each value in px or %%")  # fmt: skip
    parser.add_argument("--crop", action="store_true", help="crop to the subject")
    parser.add_argument("--crop-margin", type=_checked(imaging.parse_margin), metavar="MARGIN",
                        help="crop with free space around it: 1, 2 or 4 values such as '10%% 30px'")  # fmt: skip
    parser.add_argument("--scale", type=_checked(imaging.parse_scale), default="original",
                        help="share of the frame that the subject fills, 10%% to 100%%")  # fmt: skip
    parser.add_argument("--position", type=_checked(imaging.parse_position),
                        help="of the subject in the frame: original, center, or 1 or 2 values such as '50%% 100%%'; "
                             "with --scale, center by default")  # fmt: skip
    parser.add_argument("--threshold", type=_threshold, metavar="0..1",
                        help="makes the edge hard: opaque where alpha is above it")  # fmt: skip
    parser.add_argument("--shadow", type=_checked(imaging.parse_shadow), metavar="|".join(imaging.SHADOWS),
                        help="soft shadow under the subject")  # fmt: skip
    parser.add_argument("--shadow-opacity", type=_opacity, metavar="0..100", help="50 by default")


def _checked(parse: Callable[[str], object]) -> Callable[[str], str]:
    """An argparse type: the text, if `parse` accepts it."""

    def check(text: str) -> str:
        try:
            parse(text)
        except OptionError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return text

    return check


def _threshold(text: str) -> float:
    try:
        threshold = float(text)
    except ValueError:
        threshold = -1.0
    if not 0 <= threshold < 1:
        raise argparse.ArgumentTypeError(f"there is no threshold {text!r}: choose one from 0 to below 1")
    return threshold


def _opacity(text: str) -> float:
    try:
        opacity = float(text)
    except ValueError:
        opacity = -1.0
    if not 0 <= opacity <= 100:
        raise argparse.ArgumentTypeError(f"there is no opacity {text!r}: choose one from 0 to 100")
    return opacity
