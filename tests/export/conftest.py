"""Photographs and calibrated networks shared by the tests of the export stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from tuft.contract import MEAN, STD
from tuft_export.calibration import calibrated_network
from tuft_export.inspyrenet import SMALL, SWIN_B, InSPyReNet

if TYPE_CHECKING:
    from torch import Tensor


def photographs(size: int, count: int = 2) -> np.ndarray:
    """uint8 [count, size, size, 3]."""
    photos = (skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.coffee())
    return np.stack(
        [cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA) for photo in photos[:count]]
    )


def normalised(images: np.ndarray) -> Tensor:
    scaled = (images / 255 - np.array(MEAN)) / np.array(STD)
    return torch.from_numpy(scaled.astype(np.float32)).permute(0, 3, 1, 2).contiguous()


@pytest.fixture(scope="session")
def small_network() -> InSPyReNet:
    return calibrated_network(SMALL, normalised(photographs(384, 3)))


@pytest.fixture(scope="session")
def swin_b_network() -> InSPyReNet:
    return calibrated_network(SWIN_B.with_base_size(384), normalised(photographs(256)))
