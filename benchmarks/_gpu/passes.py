"""The type of one pass through a network."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

# From uint8 [n, S, S, 3] to float [n, S, S] in 0..1, both on the device; may return before the device has finished.
Pass = Callable[[Tensor], Tensor]
