"""The options of `tuft remove` for what becomes of a cut-out: its frame, edge and shadow, and what is shown of it."""

from __future__ import annotations

import argparse
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from tuft import imaging
from tuft.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuft.cutout import Cutout
    from tuft.imaging.compose import OutputType


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


@dataclass(frozen=True)
class Output:
    """What becomes of a cut-out before it is written.

    Attributes:
        output_type: What is shown of it, see `tuft.Cutout.as_type`.
        crop: The margins of a crop to the subject; None for no crop.
        scale: See `tuft.Cutout.placed`.
        position: See `tuft.Cutout.placed`.
        threshold: Of a hard edge; None for a soft one.
        shadow: The kind of the shadow; None for none.
        shadow_opacity: 0..100.
    """

    output_type: OutputType
    crop: str | None
    scale: str
    position: str | None
    threshold: float | None
    shadow: str | None
    shadow_opacity: float

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Output:
        """The options that were given.

        Raises:
            OptionError: They do not go together.
        """
        if arguments.shadow is None and arguments.shadow_opacity is not None:
            raise OptionError("--shadow-opacity needs a shadow: add --shadow drop or --shadow natural.")
        return cls(
            arguments.output_type,
            arguments.crop_margin or ("0" if arguments.crop else None),
            arguments.scale,
            arguments.position,
            arguments.threshold,
            arguments.shadow,
            50 if arguments.shadow_opacity is None else arguments.shadow_opacity,
        )

    def apply(self, cutout: Cutout) -> Cutout:
        """The cut-out with its edge, frame and shadow changed, in this order.

        Raises:
            NoSubjectError: It is empty, and there is nothing to crop to or to place.
        """
        if self.threshold is not None:
            cutout = cutout.hardened(self.threshold)
        if self.crop is not None:
            cutout = cutout.cropped(self.crop)
        if self.scale != "original" or self.position is not None:
            cutout = cutout.placed(self.scale, self.position)
        return cutout if self.shadow is None else cutout.with_shadow(self.shadow, self.shadow_opacity)

    @property
    def values(self) -> tuple[object, ...]:
        """All of it, to tell whether an earlier run has used the same options."""
        return astuple(self)


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
