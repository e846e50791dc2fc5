"""Reduces a high dynamic range to that of sRGB, in which networks and cut-outs are.

Transfer functions: ITU-R BT.2100; reference white of 203 cd/m²: ITU-R BT.2408; primaries: ITU-R BT.2087.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]

_WHITE_NITS: Final = 203.0
_HLG_PEAK_NITS: Final = 1000.0
_HLG_GAMMA: Final = 1.2
_LUMA: Final = np.array([0.2627, 0.6780, 0.0593], np.float32)
_TO_BT709: Final = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
# Up to here nothing changes; what is brighter than white approaches it.
_KNEE: Final = 0.75
_GAMMA: Final = 2.4  # of ITU-R BT.1886
_BT2020_PRIMARIES: Final = 9


def tone_mapped(rgb: NDArray[np.uint16], transfer: str, primaries: int) -> NDArray[np.uint8]:
    """A picture of standard range.

    Args:
        rgb: uint16 (H, W, 3), coded with `transfer`.
        transfer: `PQ` or `HLG`.
        primaries: `AVColorPrimaries`; those of BT.2020 are converted to BT.709's.

    Returns:
        uint8 (H, W, 3).
    """
    linear = _linear(transfer)[rgb]  # 1 is white
    if transfer == "HLG":
        luma = np.maximum(linear @ _LUMA, np.float32(1e-6))[..., None]
        linear *= luma ** np.float32(_HLG_GAMMA - 1) * np.float32(_HLG_PEAK_NITS / _WHITE_NITS)
    if primaries == _BT2020_PRIMARIES:
        linear = np.maximum(linear @ _TO_BT709.T, 0)
    peak = np.maximum(linear.max(axis=2, keepdims=True), np.float32(1e-6))
    bright = 1 - (1 - _KNEE) * np.exp(-np.maximum(peak - _KNEE, 0) / (1 - _KNEE))
    linear *= np.where(peak > _KNEE, bright / peak, 1)
    coded: NDArray[np.uint8] = np.rint(255 * np.clip(linear, 0, 1) ** (1 / _GAMMA)).astype(np.uint8)
    return coded


@lru_cache(maxsize=2)
def _linear(transfer: str) -> Plane:
    """From each code of 16 bits to linear light: of the display for PQ, with 1 at white; of the scene for HLG, 0..1."""
    code = np.arange(65536) / 65535
    if transfer == "PQ":
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        power = code ** (1 / m2)
        light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * 10_000 / _WHITE_NITS
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    linear: Plane = light.astype(np.float32)
    return linear
