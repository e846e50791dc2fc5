"""A layer with premultiplied colours and alpha, for painting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import Colours, Field

_WHOLE = (slice(None), slice(None))


@dataclass
class Layer:
    """Premultiplied colours [h, w, 3] and alpha [h, w], both float32 in 0..1."""

    colours: Colours
    alpha: Field

    @classmethod
    def empty(cls, size_hw: tuple[int, int]) -> Layer:
        """A fully transparent layer."""
        return cls(np.zeros((*size_hw, 3), dtype=np.float32), np.zeros(size_hw, dtype=np.float32))

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.alpha.shape[0], self.alpha.shape[1]

    def over(self, mask: Field, colours: Colours, box: tuple[slice, slice] = _WHOLE) -> None:
        """Paints `colours` with coverage `mask` over the layer in `box` (Porter and Duff's *over*)."""
        rest = 1 - mask
        self.colours[box] *= rest[:, :, None]
        self.colours[box] += colours * mask[:, :, None]
        self.alpha[box] *= rest
        self.alpha[box] += mask

    def over_premultiplied(self, colours: Colours, alpha: Field) -> None:
        """Composites premultiplied colours over this layer."""
        self.colours *= 1 - alpha[:, :, None]
        self.colours += colours
        self.alpha *= 1 - alpha
        self.alpha += alpha

    def cut(self, mask: Field, box: tuple[slice, slice] = _WHOLE) -> None:
        """Erases the layer by `mask`."""
        rest = 1 - mask
        self.colours[box] *= rest[:, :, None]
        self.alpha[box] *= rest

    def straight_colours(self) -> Colours:
        """Colours without premultiplication, [h, w, 3] in 0..1; 0 where nothing was painted."""
        divisor = np.maximum(self.alpha, np.float32(1e-4))[:, :, None]
        colours: Colours = np.clip(self.colours / divisor, 0, 1)
        return colours
