"""One real browser for all tests of HTML pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.browser import CHROMIUM, DRIVER, Browser, running_browser

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A window of 1280 × 900 CSS pixels in light colours."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("There is no chromium with its chromedriver: apt-get install chromium chromium-driver")
    with running_browser(tmp_path_factory.mktemp("browser")) as running:
        running.settings(width=1280, height=900)
        yield running
