"""The WebM of a cut-out video in a real browser, over a colour."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import videos
from support.videos import SUBJECT, Video

from tuft import Client, FakeTransport, video

if TYPE_CHECKING:
    from pathlib import Path

    from support.browser import Browser

pytestmark = pytest.mark.slow

SIZE_HW = (120, 160)
BEHIND = (0, 200, 60)
COMPRESSION = 14  # levels
PAGE = """
<!doctype html>
<body style="margin: 0; background: rgb{colour}">
<video src="out.webm" width="{width}" height="{height}" muted style="display: block"></video>
<script>
  const video = document.querySelector("video");
  const note = (_now, frame) => {{
    window.shown = frame.mediaTime;
    video.requestVideoFrameCallback(note);
  }};
  video.requestVideoFrameCallback(note);
  video.addEventListener("loadeddata", () => (video.currentTime = {seconds}), {{once: true}});
</script>
"""


def test_alpha_is_seen_over_a_colour(browser: Browser, tmp_path: Path) -> None:
    frames = [videos.picture(index, SIZE_HW, side=48, step=4) for index in range(10)]
    source = Video(size_hw=SIZE_HW, frames=frames).write(tmp_path / "clip.mp4")
    with Client(transport=FakeTransport(videos.saliency)) as client:
        video.convert(source, tmp_path / "out.webm", client=client, size=384)
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(colour=BEHIND, width=SIZE_HW[1], height=SIZE_HW[0], seconds=0.17))
    browser.open(page)
    browser.wait("window.shown > 0.1 && !video.seeking && video.readyState >= 2")
    for _ in range(50):  # a frame is reported before it is painted
        inside, outside = inside_and_outside(browser)
        if np.abs(inside - SUBJECT).max() <= COMPRESSION:
            break
        time.sleep(0.1)
    assert np.abs(inside - SUBJECT).max() <= COMPRESSION
    assert np.abs(outside - BEHIND).max() <= COMPRESSION
    assert browser.run("return [video.videoWidth, video.videoHeight]") == [SIZE_HW[1], SIZE_HW[0]]


def inside_and_outside(browser: Browser) -> tuple[np.ndarray, np.ndarray]:
    """The pixels well inside of the subject of the frame that was reported last, and those well outside."""
    index = round(browser.run("return window.shown") / 0.04)
    shown = np.asarray(browser.screenshot())[: SIZE_HW[0], : SIZE_HW[1]].astype(int)
    left, top = videos.left_edge(index, 4), SIZE_HW[0] // 2 - 24
    inside = shown[top + 8 : top + 40, left + 8 : left + 40]
    outside = np.concatenate([shown[: top - 8].reshape(-1, 3), shown[:, left + 60 :].reshape(-1, 3)])
    return inside, outside
