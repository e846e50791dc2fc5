"""Runs a network on an image of any size, plain or blended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from PIL import Image

from tuft_export.graphs.exportable import ServedNetwork

if TYPE_CHECKING:
    from tuft_export.inspyrenet import InSPyReNet
    from tuft_training.scenery.arrays import RGB, Field


@torch.no_grad()
def predict(network: InSPyReNet, image: RGB, size_px: int, *, blend: bool | None = None) -> Field:
    """The saliency of an image, not scaled to the full range, as [h, w] float32 in 0..1.

    Args:
        network: In evaluation mode.
        image: [h, w, 3] uint8.
        size_px: Side of the square to which the image is squashed for the network.
        blend: Whether to use pyramid blending, with a coarse pass at the network's base size; by default if `size_px`
            is larger, as in the exported graphs.
    """
    height, width = image.shape[:2]
    squashed = image
    if (height, width) != (size_px, size_px):
        resized = Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BILINEAR)
        squashed = np.asarray(resized)
    blend = size_px > network.config.base_size if blend is None else blend
    device = next(network.parameters()).device
    served = ServedNetwork(network, blend=blend).to(device)
    saliency: Field = served(torch.tensor(squashed, device=device)[None])[0].float().cpu().numpy()
    if (height, width) != (size_px, size_px):
        saliency = cv2.resize(saliency, (width, height), interpolation=cv2.INTER_LINEAR)
    return saliency
