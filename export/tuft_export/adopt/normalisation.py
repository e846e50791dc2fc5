"""The input normalisations of published networks, by name: here in numpy, as graph nodes in `wrapping`."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from tuft import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Lower bound of the divisor, for black images (rembg 2.0, sessions/base.py).
DARKEST_MAXIMUM: Final = 1e-6

_Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Normalisation:
    """`x * scale + shift` for each channel of RGB, where x is 0..255, or 0..1 if `by_brightest`.

    Attributes:
        name: Its name for `--normalize`.
        scale: Factor of red, green and blue.
        shift: Added afterwards, for red, green and blue.
        summary: The normalisation as a formula, for help texts.
        by_brightest: x is first divided by the largest value of the image, over all channels.
    """

    name: str
    scale: _Channels
    shift: _Channels
    summary: str
    by_brightest: bool = False

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Maps uint8 [n, S, S, 3] to float32 [n, 3, S, S]."""
        x = pictures.transpose(0, 3, 1, 2).astype(np.float32)
        if self.by_brightest:
            x /= np.maximum(x.max(axis=(1, 2, 3), keepdims=True), np.float32(DARKEST_MAXIMUM))
        scale, shift = (np.array(channels, np.float32).reshape(1, 3, 1, 1) for channels in (self.scale, self.shift))
        return np.ascontiguousarray(x * scale + shift)


def _from_mean_and_std(
    name: str, mean: _Channels, std: _Channels, summary: str, *, white: float = 255, by_brightest: bool = False
) -> Normalisation:
    """`(x / white - mean) / std`, written as one multiplication and one addition."""
    red, green, blue = (1 / (white * s) for s in std)
    shift_red, shift_green, shift_blue = (-m / s for m, s in zip(mean, std, strict=True))
    return Normalisation(name, (red, green, blue), (shift_red, shift_green, shift_blue), summary, by_brightest)


_ZERO: Final = (0.0, 0.0, 0.0)
_HALF: Final = (0.5, 0.5, 0.5)
_ONE: Final = (1.0, 1.0, 1.0)

NORMALISATIONS: Final[Mapping[str, Normalisation]] = MappingProxyType(
    {
        row.name: row
        for row in (
            _from_mean_and_std("imagenet", contract.MEAN, contract.STD, "(x / 255 - ImageNet's mean) / its deviation"),
            _from_mean_and_std("unit", _ZERO, _ONE, "x / 255"),
            _from_mean_and_std("half", _HALF, _ONE, "x / 255 - 0.5"),
            _from_mean_and_std("symmetric", _HALF, _HALF, "x / 127.5 - 1"),
            _from_mean_and_std("none", _ZERO, _ONE, "x as it is, 0..255", white=1),
            _from_mean_and_std(
                "u2net", contract.MEAN, contract.STD, "as imagenet, with the picture's brightest value for 255",
                white=1, by_brightest=True,
            ),
        )
    }
)  # fmt: skip
