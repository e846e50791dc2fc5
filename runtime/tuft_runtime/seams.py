"""The seams at which a graph is split: the values at which its last stage, at full resolution, starts and ends.

The export names these values (`tuft_export/graphs/full_resolution.py`). The stage takes a third of the time and changes
only edges. No operator in it depends on the image size, so it can be computed in tiles.

The logits of the saliency are COARSE + DETAIL: the result without the stage, and what the stage adds to it. Where
pyramids are blended, they are COARSE + EDGE · DETAIL. The stage computes DETAIL from FEATURES, at half the resolution,
and from KEY and VALUE, which summarise the whole image.
"""

from __future__ import annotations

import math
from typing import Final

FEATURES: Final = "full_resolution.features"
KEY: Final = "full_resolution.key"
VALUE: Final = "full_resolution.value"
COARSE: Final = "full_resolution.coarse"
EDGE: Final = "full_resolution.edge"
DETAIL: Final = "full_resolution.detail"

# Pixels at full resolution. Smaller tiles fit an edge more closely and have more margin: at 1024, tiles of 32, 64 and
# 128 cover 18, 25 and 40 % of eight photographs on average, and 34, 35 and 48 % with their margins.
TILE_PX: Final = 64
# The receptive field of five 3×3 convolutions and the upsampling of the features reaches this far from a pixel.
MARGIN_PX: Final = 6
# Tiles per inference of the stage.
TILES_PER_BATCH: Final = 4


def tile_px(size_px: int) -> int:
    """Side of the tiles for images of side `size_px`, a multiple of 32."""
    return math.gcd(size_px, TILE_PX)
