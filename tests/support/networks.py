"""Calibrated networks and their graphs: fixtures for the tests of export and runtime, each made once a session."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from support.photographs import normalised, photographs
from tuft_export.calibration import calibrated_network
from tuft_export.checkpoints import CHECKPOINTS, load_weights
from tuft_export.graphs.onnx_from_torch import ExportOptions, onnx_from_torch
from tuft_export.graphs.weightless import demo_graph, read_bare, with_weights
from tuft_export.inspyrenet import SMALL, SWIN_B, InSPyReNet, NetworkConfig, SwinConfig

if TYPE_CHECKING:
    import onnx

# Few and narrow blocks: the time of an export depends on their number, not on the size of the image.
TINY = NetworkConfig(SwinConfig(8, (2, 1, 1, 2), (1, 2, 2, 4), 4), depth=8, base_size=96)


@pytest.fixture(scope="session")
def tiny_network() -> InSPyReNet:
    return _tiny_network()


@pytest.fixture(scope="session")
def small_network() -> InSPyReNet:
    return calibrated_network(SMALL.with_base_size(192), normalised(photographs(192, 3)))


@pytest.fixture(scope="session")
def swin_b_network() -> InSPyReNet:
    return calibrated_network(SWIN_B.with_base_size(192), normalised(photographs(128)))


@pytest.fixture(scope="session")
def plain_graph() -> onnx.ModelProto:
    """The tiny network at its base size, 96."""
    return _tiny_graph(96)


@pytest.fixture(scope="session")
def blended_graph() -> onnx.ModelProto:
    """The tiny network at 192."""
    return _tiny_graph(192)


@pytest.fixture(scope="session")
def demo_graph_384() -> onnx.ModelProto:
    """The demo checkpoint at its base size."""
    return with_weights(read_bare(demo_graph(384)), load_weights(CHECKPOINTS["demo"]).arrays)


# Cached, because pytest creates a session fixture once for each conftest that imports it.
@cache
def _tiny_network() -> InSPyReNet:
    return calibrated_network(TINY, normalised(photographs(192, 3)))


@cache
def _tiny_graph(size: int) -> onnx.ModelProto:
    return onnx_from_torch(_tiny_network(), ExportOptions(size))
