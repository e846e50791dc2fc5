"""The Laplacian pyramid of saliency maps, and where a finer map may change a coarser one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def gaussian_kernel(size: int = 7, sigma: float = 1.0) -> Tensor:
    """Normalised Gaussian [1, 1, size, size], the outer product of two sampled ones."""
    x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    k = torch.exp(-(x**2) / (2 * sigma**2))
    k = k / k.sum()
    return torch.outer(k, k).float()[None, None]


class ImagePyramid(nn.Module):
    """Burt and Adelson's pyramid with a 7×7 Gaussian of σ = 1 and mirrored borders.

    P. J. Burt, E. H. Adelson, "The Laplacian pyramid as a compact image code", IEEE Trans. Comm. 31(4), 1983.
    """

    kernel: Tensor
    top_left: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Not persistent: the published checkpoints do not hold it.
        self.register_buffer("kernel", gaussian_kernel(), persistent=False)
        self.register_buffer("top_left", torch.tensor([1.0, 0.0, 0.0, 0.0]).reshape(1, 4, 1, 1), persistent=False)
        self.padding = (3, 3, 3, 3)

    def forward(self, coarse: Tensor, laplacian: Tensor) -> Tensor:
        """The finer map [n, 1, 2H, 2W] from the coarse one [n, 1, H, W] and the Laplacian [n, 1, 2H, 2W]."""
        return self.expand(coarse) + laplacian

    def expand(self, x: Tensor) -> Tensor:
        """Doubles [n, 1, H, W]: zeros between the pixels, then the Gaussian times four."""
        spread = F.pixel_shuffle(x * self.top_left, 2)
        return F.conv2d(F.pad(spread, self.padding, mode="reflect"), 4 * self.kernel)

    def reduce(self, x: Tensor) -> Tensor:
        """Halves [n, 1, H, W]: the Gaussian, then every second pixel."""
        return F.conv2d(F.pad(x, self.padding, mode="reflect"), self.kernel, stride=2)


def ellipse_as_rectangles(size: int) -> list[tuple[int, int]]:
    """Rectangles (height, width), centred, whose union is OpenCV's `MORPH_ELLIPSE` of odd side `size`.

    A row at distance dy from the centre reaches round(r·sqrt(1 − dy²/r²)) pixels to each side. Rows only get
    shorter outwards, so each distinct width is one rectangle, and a maximum over the ellipse is the maximum of
    a few rectangular max-poolings: operators that every runtime has.
    """
    r = size // 2
    reach = [round(r * (1 - (dy / r) ** 2) ** 0.5) for dy in range(r + 1)]
    rectangles = {}
    for dy, dx in enumerate(reach):
        rectangles[dx] = (2 * dy + 1, 2 * dx + 1)
    return list(rectangles.values())


class Transition(nn.Module):
    """1 where the saliency changes by more than a half within an ellipse of side `size` pixels, else 0."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.rectangles = ellipse_as_rectangles(size)

    def forward(self, logits: Tensor) -> Tensor:
        """Maps saliency logits [n, 1, H, W] to a mask of the same shape and type."""
        saliency = torch.sigmoid(logits)
        return (self._dilate(saliency) + self._dilate(-saliency) > 0.5).to(logits.dtype)

    def _dilate(self, x: Tensor) -> Tensor:
        pooled = [F.max_pool2d(x, hw, stride=1, padding=(hw[0] // 2, hw[1] // 2)) for hw in self.rectangles]
        result = pooled[0]
        for other in pooled[1:]:
            result = torch.maximum(result, other)
        return result
