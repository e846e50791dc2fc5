"""What a request leaves behind: nothing, without waiting for the garbage collector."""

from __future__ import annotations

import contextlib
import gc
import weakref
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tuft import Client, FakeTransport
from tuft.errors import ServerBusyError, TuftError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("failures", [0, 1, 9])
def test_a_photograph_is_free_when_its_request_has_ended(failures: int) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    kept = weakref.ref(photo)
    fake = FakeTransport(failures=[ServerBusyError("The queue is full: try again later.") for _ in range(failures)])
    with Client(transport=fake) as client:
        with contextlib.suppress(TuftError):
            client.remove(photo, "maximum")
        del photo
        assert kept() is None
