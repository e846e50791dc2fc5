"""Which subject is meant, said in the gateway's page: by mouse, by touch and by keys, in a real browser."""

from __future__ import annotations

import io
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from support.gateway import live_gateway
from support.two_disks import TwoDisks, pointed_at, redness

from tuft import Client, FakeTransport
from tuft_gateway.app import create_app
from tuft_gateway.options import GatewayOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.browser import Browser

pytestmark = pytest.mark.slow

DISKS = TwoDisks()
BOTH = np.maximum(DISKS.left_alpha, DISKS.right_alpha)
ESCAPE, UP = "\ue00c", "\ue013"
DONE = (
    "document.querySelector('#queue .state').textContent.startsWith('done')"
    " && !document.getElementById('download').disabled"
)
# The stage's alpha, one value a pixel.
ALPHA = """
    const subject = document.getElementById("subject");
    const copy = new OffscreenCanvas(subject.width, subject.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(subject, 0, 0);
    const { data } = copy.getImageData(0, 0, subject.width, subject.height);
    return [...data].filter((_, at) => at % 4 === 3);
"""


@contextmanager
def page_of(browser: Browser, photograph: Path, *, with_model: bool) -> Iterator[FakeTransport]:
    """The page with the cut-out of both disks, before a server that takes points or boxes alone."""
    fake = FakeTransport(redness, mask_from_prompt=pointed_at if with_model else None)
    app = create_app(Client(transport=fake, preset="standard"))
    with live_gateway(app, GatewayOptions()) as (host, port):
        browser.settings(width=1280, height=900)
        browser.open_url(f"http://{host}:{port}/")
        browser.upload("input.files", photograph)
        browser.wait(DONE)
        yield fake
        assert browser.console() == []


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photographs") / "two.png"
    Image.fromarray(DISKS.rgb).save(path)
    return path


@pytest.fixture
def page(browser: Browser, photograph: Path) -> Iterator[Browser]:
    with page_of(browser, photograph, with_model=True):
        yield browser


@pytest.fixture
def page_without_model(browser: Browser, photograph: Path) -> Iterator[Browser]:
    with page_of(browser, photograph, with_model=False):
        browser.wait("document.querySelector('[name=tool][value=point]').disabled")
        yield browser


def choose(page: Browser, tool: str) -> None:
    page.run("document.querySelector(`[name=tool][value=${arguments[0]}]`).click()", tool)


def place(page: Browser, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the photograph is in the window."""
    script = """
        const box = document.getElementById("subject").getBoundingClientRect();
        return [box.left + box.width * arguments[0], box.top + box.height * arguments[1]];
    """
    left, top = page.run(script, x / 320, y / 200)
    return left, top


def shows(page: Browser, truth: np.ndarray) -> None:
    """Waits for the next cut-out and compares it with the truth."""
    page.wait(DONE)
    alpha = np.array(page.run(ALPHA)).reshape(200, 320) / 255
    assert np.abs(alpha - truth).max() < 0.2


def marks(page: Browser) -> list[str]:
    found: list[str] = page.run("return [...document.querySelectorAll('#marks i')].map((mark) => mark.className)")
    return found


def test_a_click_selects_and_further_clicks_refine(page: Browser) -> None:
    shows(page, BOTH)
    choose(page, "point")
    page.drag(place(page, *DISKS.right_xy))
    shows(page, DISKS.right_alpha)
    page.drag(place(page, *DISKS.left_xy))
    shows(page, BOTH)
    choose(page, "beside")
    page.drag(place(page, DISKS.right_xy[0] + 10, DISKS.right_xy[1]))
    shows(page, DISKS.left_alpha)
    assert marks(page) == ["point", "point", "beside"]
    page.click("#prompt-undo")
    shows(page, BOTH)
    page.click("#prompt-clear")
    shows(page, BOTH)
    assert marks(page) == []
    assert page.run("return document.getElementById('prompt-clear').disabled")


def test_a_box_works_without_sam_2(page_without_model: Browser) -> None:
    page = page_without_model
    assert "Points need SAM 2" in page.run("return document.getElementById('prompt-help').textContent")
    choose(page, "box")
    page.drag(place(page, 185, 35), place(page, 240, 90), place(page, 275, 125))
    shows(page, DISKS.right_alpha)
    assert marks(page) == ["box"]
    page.drag(place(page, 25, 45), place(page, 155, 175))  # another box takes its place
    shows(page, DISKS.left_alpha)
    assert marks(page) == ["box"]
    page.drag(place(page, 25, 45), place(page, 26, 46))
    assert "too small" in page.run("return document.getElementById('live').textContent")


def test_everything_works_by_keyboard(page: Browser) -> None:
    page.run("document.getElementById('stage').focus()")
    scale = page.run("return document.getElementById('subject').getBoundingClientRect().width / 320")
    # From the middle of the picture to the middle of the left disk, in steps of 12 CSS pixels.
    left = round((160 - DISKS.left_xy[0]) * scale / 12)
    page.press("p", *["ArrowLeft"] * left, " ")
    shows(page, DISKS.left_alpha)
    assert marks(page) == ["point"]
    page.click("#prompt-clear")
    shows(page, BOTH)
    page.run("document.getElementById('stage').focus()")
    page.press("b", " ", "ArrowLeft", ESCAPE)  # begun and given up
    assert marks(page) == []
    right, up = round(20 * scale / 12), round(70 * scale / 12)
    page.press(*["ArrowRight"] * right, *[UP] * up, " ")
    page.press(*["ArrowRight"] * round(110 * scale / 12), *["\ue015"] * round(100 * scale / 12), " ")
    shows(page, DISKS.right_alpha)
    assert marks(page) == ["box"]


def test_a_finger_selects_and_two_fingers_zoom(page: Browser) -> None:
    choose(page, "point")
    page.touch([place(page, *DISKS.left_xy)])
    shows(page, DISKS.left_alpha)
    choose(page, "box")
    x, y = place(page, 160, 100)
    page.touch([(x - 20, y), (x + 20, y)], [(x - 80, y), (x + 80, y)])
    assert page.run("return document.getElementById('stage').classList.contains('zoomed')")
    assert marks(page) == ["point"]


def test_marks_lie_where_they_were_set_after_zooming(page: Browser) -> None:
    choose(page, "point")
    page.drag(place(page, *DISKS.right_xy))
    shows(page, DISKS.right_alpha)
    page.wheel(place(page, *DISKS.right_xy), -300, ctrl=True)
    page.wait("document.getElementById('stage').classList.contains('zoomed')")
    script = "const box = document.querySelector('#marks i').getBoundingClientRect();"
    x, y = page.run(f"{script} return [box.left + box.width / 2, box.top + box.height / 2];")
    assert (x, y) == pytest.approx(place(page, *DISKS.right_xy), abs=1.5)


def test_saved_files_hold_what_was_selected(page: Browser, tmp_path: Path) -> None:
    page.download_to(tmp_path)
    choose(page, "point")
    page.drag(place(page, *DISKS.right_xy))
    shows(page, DISKS.right_alpha)
    page.click("#download-all")
    page.wait("document.getElementById('live').textContent.startsWith('Saved')")
    files: list[Path] = []
    while not files:
        files = list(tmp_path.glob("*.zip"))
    with zipfile.ZipFile(files[0]) as archive:
        (name,) = archive.namelist()
        alpha = np.asarray(Image.open(io.BytesIO(archive.read(name))))[..., 3] / 255
    assert np.abs(alpha - DISKS.right_alpha).max() < 0.2
