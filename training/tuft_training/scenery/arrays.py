"""Type aliases for the arrays of the scene generator."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

RGB: TypeAlias = NDArray[np.uint8]
"""[h, w, 3] uint8, sRGB, 0..255."""

RGBA: TypeAlias = NDArray[np.uint8]
"""[h, w, 4] uint8, sRGB and straight alpha, 0..255."""

Field: TypeAlias = NDArray[np.float32]
"""[h, w] float32: a mask, an alpha or a texture, 0..1 unless noted otherwise."""

Colours: TypeAlias = NDArray[np.float32]
"""[..., 3] float32, RGB in 0..1."""

Points: TypeAlias = NDArray[np.float32]
"""[n, 2] float32, x right and y down."""
