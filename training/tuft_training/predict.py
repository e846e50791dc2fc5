"""A network's alpha of a picture of any size, by one plain pass at a square size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from PIL import Image

from tuft_training.samples import image_tensor

if TYPE_CHECKING:
    from tuft_export.inspyrenet import InSPyReNet
    from tuft_training.scenery.arrays import RGB, Field


@torch.no_grad()
def predict(network: InSPyReNet, image: RGB, size_px: int) -> Field:
    """The saliency of a picture, not stretched, as [h, w] float32 in 0..1.

    Args:
        network: In evaluation mode.
        image: [h, w, 3] uint8.
        size_px: Side of the square to which the picture is squashed for the network.
    """
    height, width = image.shape[:2]
    squashed = image
    if (height, width) != (size_px, size_px):
        resized = Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BILINEAR)
        squashed = np.asarray(resized)
    device = next(network.parameters()).device
    logits = network(image_tensor(squashed)[None].to(device))
    saliency: Field = torch.sigmoid(logits)[0, 0].float().cpu().numpy()
    if (height, width) != (size_px, size_px):
        saliency = cv2.resize(saliency, (width, height), interpolation=cv2.INTER_LINEAR)
    return saliency
