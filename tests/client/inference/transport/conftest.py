"""The transport, and a double of the server behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.triton_double import SIZE, Double, listening

from tuft.inference.transport.triton import TritonTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@pytest.fixture
def double() -> Double:
    return Double()


@pytest.fixture
def server(double: Double) -> Iterator[str]:
    with listening(double) as address:
        yield address


@pytest.fixture
def transport(server: str) -> Iterator[TritonTransport]:
    made = TritonTransport(server)
    yield made
    made.close()


@pytest.fixture
def image(rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
