"""What becomes of a cut-out before it is written: its frame, edge and shadow, and what is shown of it."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from tuft.errors import OptionError

if TYPE_CHECKING:
    import argparse

    from tuft.cutout import Cutout
    from tuft.imaging.compose import OutputType


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

    output_type: OutputType = "cutout"
    crop: str | None = None
    scale: str = "original"
    position: str | None = None
    threshold: float | None = None
    shadow: str | None = None
    shadow_opacity: float = 50

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Output:
        """The options that were given on a command line.

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
