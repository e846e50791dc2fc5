"""Refinement at the photograph's resolution: alpha follows the photograph's edges, and colours lose the old background.

Colour models are computed on coarse grids; single pixels are processed only along the subject's edge, in blocks. Time
and memory therefore grow with the length of the edge, not with the size of the photograph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuft.imaging.refine.classical import refine_alpha
from tuft.imaging.refine.foreground import estimate_foreground
from tuft.imaging.refine.learned import matted

if TYPE_CHECKING:
    from tuft.imaging.refine.learned import Stage

__all__ = ["Stage", "estimate_foreground", "matted", "refine_alpha"]
