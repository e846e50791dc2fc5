"""Makes `max_pixels` the limit also where Pillow has a lower one of its own: 179 megapixels by default."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Limit:
    """Raises Pillow's limit while anyone needs more.

    It is a variable of Pillow's module, so other threads see it too. It is touched only if the caller allows more than
    Pillow does, and restored when the last photograph that needed it is done.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._previous: int | None = None

    def acquire(self, pixels: int) -> None:
        with self._lock:
            if self._users == 0:
                self._previous = Image.MAX_IMAGE_PIXELS
            self._users += 1
            if Image.MAX_IMAGE_PIXELS is not None:
                Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, pixels)

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                Image.MAX_IMAGE_PIXELS = self._previous


_LIMIT = _Limit()


@contextmanager
def allowing(max_pixels: int) -> Iterator[None]:
    """Lets Pillow decode pictures of `max_pixels`, without a change to its limit if it does so already.

    Pillow raises for more than twice `MAX_IMAGE_PIXELS`. Smaller ones above `max_pixels` are for the caller to find.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is None or max_pixels <= 2 * limit:
        yield
        return
    _LIMIT.acquire((max_pixels + 1) // 2)
    try:
        yield
    finally:
        _LIMIT.release()
