"""Videos in the gateway's page, in a real browser before the real application; only the network is a double."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import videos
from support.gateway import live_gateway
from support.npm import npm_package
from support.videos import SUBJECT, Video

from tuft import Client, FakeTransport
from tuft.batch.video.reading import examine, read_frames
from tuft_gateway.app import create_app
from tuft_gateway.options import GatewayOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.browser import Browser

pytestmark = pytest.mark.slow

SIZE_HW = (120, 160)
COMPRESSION = 14  # levels
OPTIONS = GatewayOptions(videos=True)
STATE = "document.querySelector('#clips .state')?.textContent"
DONE = f"{STATE} === 'done' && document.querySelector('#clips video').readyState >= 2"
ENTER = "\ue007"


class Held(FakeTransport):
    """Answers only while it may."""

    def __init__(self) -> None:
        super().__init__(videos.saliency)
        self.may = threading.Event()
        self.may.set()

    def infer(self, *arguments: Any, **options: Any) -> Any:
        while not self.may.wait(0.01):
            options["options"].cancel.raise_if_cancelled()
        return super().infer(*arguments, **options)


@pytest.fixture(scope="module")
def network() -> Held:
    return Held()


@pytest.fixture(scope="module")
def address(network: Held) -> Iterator[str]:
    app = create_app(Client(transport=network, preset="standard"), OPTIONS)
    with live_gateway(app, OPTIONS) as (host, port):
        yield f"http://{host}:{port}/"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [videos.picture(index, SIZE_HW, side=48, step=4) for index in range(10)]
    return Video(size_hw=SIZE_HW, frames=frames).write(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Browser]:
    """The opened page; in the end it must have loaded nothing from elsewhere, and complained of nothing."""
    browser.settings(width=1280, height=900)
    browser.open_url(address)
    browser.wait("!document.getElementById('choose-video').hidden")
    yield browser
    assert browser.console() == []
    known = (address, f"blob:{address}", "data:")  # the icons of a player are data
    assert [url for url in browser.requests() if not url.startswith(known)] == []


def test_a_clip_is_played_over_a_colour_and_saved(page: Browser, clip: Path, tmp_path: Path) -> None:
    page.download_to(tmp_path)
    page.upload("#choose-video input", clip)
    page.wait(DONE, seconds=60)
    page.run("""
        const behind = document.getElementById("behind");
        behind.value = "colour";
        document.getElementById("behind-colour").value = "#00c83c";
        behind.dispatchEvent(new Event("input"));
    """)
    left, top, width, _ = page.box("#clips video")
    scale = width / SIZE_HW[1]

    def shown(x: float, y: float) -> Any:
        return np.int64(page.screenshot().getpixel((round(left + x * scale), round(top + y * scale))))

    for _ in range(50):  # a frame is ready before it is painted
        inside, outside = shown(4 + 24, 60), shown(140, 20)
        if np.abs(inside - SUBJECT).max() <= COMPRESSION:
            break
        time.sleep(0.1)
    assert np.abs(inside - SUBJECT).max() <= COMPRESSION
    assert np.abs(outside - (0, 200, 60)).max() <= COMPRESSION
    page.click("#clips a")
    saved = tmp_path / "clip-cutout.webm"
    deadline_s = time.monotonic() + 20
    while not saved.exists():
        assert time.monotonic() < deadline_s, "no download"
        time.sleep(0.05)
    found = examine(saved)
    assert (found.has_alpha, found.has_sound, len(list(read_frames(found)))) == (True, True, 10)


def test_progress_is_told_and_a_video_cancelled_by_keyboard(page: Browser, network: Held, clip: Path) -> None:
    network.may.clear()
    try:
        page.upload("#choose-video input", clip)
        page.wait(f"{STATE} === '0 of 10 frames'", seconds=60)
        page.run("document.querySelector('#clips li button:not([hidden])').focus()")
        assert page.run("return document.activeElement.getAttribute('aria-label')") == "Cancel: clip.mp4"
        page.press(ENTER)
        page.wait("!document.querySelector('#clips li') && document.getElementById('videos').hidden")
        assert page.run("return document.activeElement.className") == "files"  # and not lost
    finally:
        network.may.set()
    page.upload("#choose-video input", clip)  # the gateway is free for the next one
    page.wait(DONE, seconds=60)


def test_what_is_no_video_is_told_and_can_be_tried_again(page: Browser, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    page.upload("#choose-video input", broken)
    page.wait("document.querySelector('#clips .failed')", seconds=60)
    assert "The video is no video that tuft reads" in page.run(f"return {STATE}")
    assert page.run("return document.querySelectorAll('#clips button:not([hidden])').length") == 2
    assert page.run("return document.getElementById('live').textContent").startswith("broken.mp4: ")


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 390)])
def test_no_finding_of_axe(page: Browser, clip: Path, dark: bool, width: int) -> None:
    page.settings(width=width, height=900, dark=dark)
    page.upload("#choose-video input", clip)
    page.wait(DONE, seconds=60)
    page.run((npm_package("axe-core", "4.14.1") / "axe.min.js").read_text("utf-8"))
    page.run("window.findings = null; axe.run().then(({violations}) => window.findings = violations)")
    page.wait("window.findings", seconds=60)
    assert page.run("return window.findings.map(({impact, id, nodes}) => [impact, id, nodes[0].html])") == []


def test_a_gateway_without_videos_offers_none(browser: Browser, clip: Path) -> None:
    with live_gateway(create_app(Client(transport=FakeTransport(), preset="standard")), GatewayOptions()) as where:
        browser.open_url(f"http://{where[0]}:{where[1]}/")
        browser.upload("input.files:not([accept='video/*'])", clip)
        browser.wait("document.getElementById('live').textContent === 'Only pictures can be added.'")
        assert browser.run("return document.getElementById('choose-video').hidden")
        browser.open_url("about:blank")
