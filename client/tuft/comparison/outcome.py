"""What one model made of one photograph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What one model made of one photograph.

    Attributes:
        model: Its name.
        file: The cut-out; None if there is none.
        milliseconds: Time by stage.
        quality_score: 0..1, estimated without truth; 0 without a cut-out.
        note: The model's version, or why there is no cut-out.
    """

    model: str
    file: Path | None
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    quality_score: float = 0.0
    note: str = ""
