"""Calibrated networks shared by the tests of the export stage."""

from __future__ import annotations

import pytest
from support.photographs import normalised, photographs

from tuft_export.calibration import calibrated_network
from tuft_export.inspyrenet import SMALL, SWIN_B, InSPyReNet, NetworkConfig, SwinConfig

# Few and narrow blocks: what exporting costs depends on their number, not on the picture.
TINY = NetworkConfig(SwinConfig(8, (2, 1, 1, 2), (1, 2, 2, 4), 4), depth=8, base_size=96)


@pytest.fixture(scope="session")
def tiny_network() -> InSPyReNet:
    return calibrated_network(TINY, normalised(photographs(192, 3)))


@pytest.fixture(scope="session")
def small_network() -> InSPyReNet:
    return calibrated_network(SMALL, normalised(photographs(384, 3)))


@pytest.fixture(scope="session")
def swin_b_network() -> InSPyReNet:
    return calibrated_network(SWIN_B.with_base_size(384), normalised(photographs(256)))
