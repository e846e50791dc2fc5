"""The shape of the matting stage's network; it needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class MattingConfig:
    """The network's shape.

    Attributes:
        inputs: Planes of the input.
        widths: Channels at half, quarter, eighth and sixteenth size.
        head: Channels at full size.
    """

    inputs: int = 9
    widths: tuple[int, ...] = (32, 48, 64, 96)
    head: int = 16

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> MattingConfig:
        """The shape that a file's metadata states."""
        return cls(int(stated["inputs"]), tuple(map(int, stated["widths"])), int(stated["head"]))
