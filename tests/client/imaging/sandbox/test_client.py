"""A client that decodes in sandboxed processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tuft import Client, FakeTransport, Settings
from tuft.errors import ImageTooLargeError, TruncatedImageError


@pytest.fixture
def isolating(fake: FakeTransport) -> Client:
    return Client(settings=Settings(isolate_decoding=True, max_bytes=200_000), transport=fake)


def test_a_photograph_is_the_same_as_decoded_here(isolating: Client, client: Client, photos: Any) -> None:
    here = client.remove(photos / "dog.png")
    with isolating:
        apart = isolating.remove(photos / "dog.png")
    np.testing.assert_array_equal(apart.rgba, here.rgba)


def test_limits_and_damage_are_told_in_the_same_errors(isolating: Client, photos: Any) -> None:
    content = (photos / "dog.png").read_bytes()
    with isolating:
        with pytest.raises(TruncatedImageError):
            isolating.remove(content[: len(content) // 2])
        with pytest.raises(ImageTooLargeError, match="bytes"):
            isolating.remove(content + bytes(200_000))
        isolating.remove(content)
