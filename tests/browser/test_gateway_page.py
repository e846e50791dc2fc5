"""The gateway's page in a real browser, before the real application; only the network is a double."""

from __future__ import annotations

import io
import time
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from support.gateway import live_gateway
from support.npm import npm_package

from tuft import Client, FakeTransport, ServerBusyError, ServerUnreachableError
from tuft_gateway.accounts import AccountMeter, KeyStore, Ledger, RateLimiter, open_database
from tuft_gateway.app import create_app
from tuft_gateway.options import GatewayOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.browser import Browser

    from tuft_gateway.metering import Meter

pytestmark = pytest.mark.slow

SIZE = (480, 320)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
DONE = "[...document.querySelectorAll('#queue .state')].every(state => state.textContent.startsWith('done'))"
ENTER = "\ue007"
SHOWN = "!document.getElementById('download').disabled"


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An orange disk before blue stripes; the double's saliency is a disk in the middle, too."""
    picture = Image.new("RGB", SIZE, (40, 60, 160))
    draw = ImageDraw.Draw(picture)
    for left in range(0, SIZE[0], 40):
        draw.rectangle((left, 0, left + 19, SIZE[1]), fill=(90, 120, 200))
    draw.ellipse((80, 53, 400, 267), fill=(230, 120, 20))
    path = tmp_path_factory.mktemp("photographs") / "disk.png"
    picture.save(path)
    return path


@contextmanager
def gateway(transport: FakeTransport, meter: Meter | None = None) -> Iterator[str]:
    """A gateway on a free port; the address of its page."""
    app = create_app(Client(transport=transport, preset="standard"), meter=meter)
    with live_gateway(app, GatewayOptions()) as (host, port):
        yield f"http://{host}:{port}/"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The page of a gateway whose network answers."""
    with gateway(FakeTransport()) as url:
        yield url


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Browser]:
    """The opened page; in the end it must have loaded nothing from elsewhere, and complained of nothing."""
    browser.settings(width=1280, height=900)
    browser.open_url(address)
    yield browser
    assert browser.console() == []
    assert [url for url in browser.requests() if not url.startswith((address, f"blob:{address}"))] == []


@pytest.fixture
def shown(page: Browser, photograph: Path) -> Browser:
    """The page with one cut-out on the stage."""
    page.upload("input.files", photograph)
    page.wait(SHOWN)
    return page


@pytest.fixture
def downloads(page: Browser, tmp_path: Path) -> Path:
    """An empty folder into which the browser saves."""
    page.download_to(tmp_path)
    return tmp_path


def choose(page: Browser, name: str, value: str) -> None:
    page.run("document.querySelector(`[name=${arguments[0]}][value=${arguments[1]}]`).click()", name, value)


def slide(page: Browser, control: str, value: int) -> None:
    script = """
        const control = document.getElementById(arguments[0]);
        control.value = arguments[1];
        control.dispatchEvent(new Event("input"));
    """
    page.run(script, control, value)


def saved(page: Browser, folder: Path, button: str = "#download") -> Path:
    """Clicks on a button and waits for the file."""
    page.click(button)
    deadline_s = time.monotonic() + 20
    while True:
        done = [file for file in folder.iterdir() if not file.name.endswith((".crdownload", ".tmp"))]
        if done and done[0].stat().st_size:
            return done[0]
        assert time.monotonic() < deadline_s, "no download"
        time.sleep(0.05)


def pixels(file: Path, mode: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(file) as picture:
        assert picture.mode == mode
        return np.asarray(picture)


def on_stage(page: Browser, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the photograph is in the window."""
    script = """
        const box = document.getElementById("subject").getBoundingClientRect();
        return [box.left + box.width * arguments[0], box.top + box.height * arguments[1]];
    """
    left, top = page.run(script, x / SIZE[0], y / SIZE[1])
    return left, top


def expected(photograph: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The client's own result."""
    with Client(transport=FakeTransport(), preset="standard") as client:
        return client.remove(photograph).rgba


def test_a_saved_png_is_the_clients_cutout(shown: Browser, photograph: Path, downloads: Path) -> None:
    truth = expected(photograph)
    file = saved(shown, downloads)
    assert file.name == "disk-cutout.png"
    result = pixels(file, "RGBA")
    np.testing.assert_array_equal(result[..., 3], truth[..., 3])
    opaque = truth[..., 3] == 255
    np.testing.assert_array_equal(result[opaque], truth[opaque])
    np.testing.assert_array_equal(result[truth[..., 3] == 0], 0)
    soft = ~opaque & (truth[..., 3] > 64)
    difference = np.abs(result[soft, :3].astype(int) - truth[soft, :3])
    assert difference.mean() < 4, "the colours of soft edges travel as a JPEG"


def test_the_brush_erases_and_restores_and_undo_is_exact(shown: Browser, photograph: Path, downloads: Path) -> None:
    truth = expected(photograph)[..., 3]
    slide(shown, "brush-softness", 50)
    choose(shown, "tool", "erase")
    shown.drag(on_stage(shown, 240, 160), on_stage(shown, 250, 160))
    choose(shown, "tool", "restore")
    shown.drag(on_stage(shown, 20, 20), on_stage(shown, 30, 20))
    file = saved(shown, downloads)
    edited = pixels(file, "RGBA")
    assert edited[160, 245, 3] == 0
    assert edited[20, 25, 3] == 255
    with Image.open(photograph) as photo:
        assert tuple(edited[20, 25, :3]) == photo.getpixel((25, 20)), "what is restored has the photograph's colours"
    assert len(np.unique(edited[:60, :100, 3])) > 10, "the brush has a soft edge"
    far = np.ones(SIZE[::-1], bool)
    far[100:220, 180:310] = far[:90, :100] = False
    np.testing.assert_array_equal(edited[..., 3][far], truth[far])

    file.unlink()
    for step in ("undo", "undo"):
        shown.click(f"#{step}")
    assert shown.run("return document.getElementById('undo').disabled")
    np.testing.assert_array_equal(pixels(saved(shown, downloads), "RGBA")[..., 3], truth)


def test_a_second_pass_within_a_stroke_does_not_harden_a_soft_edge(shown: Browser, downloads: Path) -> None:
    slide(shown, "brush-softness", 100)
    choose(shown, "tool", "erase")
    shown.drag(on_stage(shown, 200, 160), on_stage(shown, 280, 160))
    once = saved(shown, downloads)
    alpha = pixels(once, "RGBA")[..., 3]
    once.unlink()
    shown.click("#reset")
    there, back = on_stage(shown, 200, 160), on_stage(shown, 280, 160)
    shown.drag(there, back, there, back)
    np.testing.assert_allclose(pixels(saved(shown, downloads), "RGBA")[..., 3], alpha, atol=6)


def test_edits_outlive_the_choice_of_another_photograph(shown: Browser, photograph: Path, tmp_path: Path) -> None:
    choose(shown, "tool", "erase")
    shown.drag(on_stage(shown, 240, 160), on_stage(shown, 242, 160))
    shown.upload("input.files", photograph)
    shown.wait(f"document.querySelectorAll('#queue li').length === 2 && {DONE}")
    for number in (2, 1):
        shown.run(f"document.querySelector('#queue li:nth-child({number}) .name').click()")
        shown.wait(SHOWN)
    assert not shown.run("return document.getElementById('undo').disabled")


@pytest.mark.parametrize(("background", "colour"), [("white", WHITE), ("black", BLACK), ("colour", (0x3F, 0x7F, 0x6E))])
def test_backgrounds_of_one_colour(
    shown: Browser, downloads: Path, background: str, colour: tuple[int, int, int]
) -> None:
    choose(shown, "background", background)
    result = pixels(saved(shown, downloads), "RGBA")
    assert tuple(result[5, 5]) == (*colour, 255)
    assert tuple(result[160, 240, :3]) == (230, 120, 20)


def test_a_picture_as_background_covers_the_frame(shown: Browser, downloads: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (30, 90), (10, 200, 90)).save(other / "green.png")
    choose(shown, "background", "picture")
    shown.upload("#picture", other / "green.png")
    shown.wait("document.getElementById('backdrop').getContext('2d').getImageData(2, 2, 1, 1).data[1] === 200")
    other.joinpath("green.png").unlink()
    other.rmdir()
    result = pixels(saved(shown, downloads), "RGBA")
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert tuple(result[corner]) == (10, 200, 90, 255)


def test_the_blurred_background_has_none_of_the_subject(shown: Browser, downloads: Path) -> None:
    choose(shown, "background", "blur")
    alpha = pixels(saved(shown, downloads), "RGBA")
    ring = alpha[30:290, 60:68].astype(int)
    assert (ring[..., 2] > ring[..., 0]).all(), "the background is blue, the subject orange"
    assert ring[..., 3].min() == 255
    assert np.ptp(alpha[5, 40:400, 2].astype(int)) < 40, "the stripes are out of focus"


def test_a_file_that_the_browser_cannot_open_has_no_blurred_background(
    page: Browser, photograph: Path, downloads: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tiff = tmp_path_factory.mktemp("tiff") / "disk.tiff"
    Image.open(photograph).save(tiff)
    page.upload("input.files", tiff)
    page.wait(SHOWN)
    assert "cannot be blurred" in page.run("return document.getElementById('live').textContent")
    choose(page, "background", "blur")
    assert not page.run("return document.getElementById('backdrop').getContext('2d').getImageData(2, 2, 1, 1).data[3]")
    result = pixels(saved(page, downloads), "RGBA")
    np.testing.assert_array_equal(result[..., 3], expected(photograph)[..., 3])


def test_jpeg_webp_and_cropping(shown: Browser, photograph: Path, downloads: Path) -> None:
    truth = expected(photograph)[..., 3] >= 13
    rows, columns = np.flatnonzero(truth.any(axis=1)), np.flatnonzero(truth.any(axis=0))
    shown.click("#crop")
    slide(shown, "margin", 0)
    for format, name in (("jpeg", "disk-cutout.jpg"), ("webp", "disk-cutout.webp")):
        shown.run("document.getElementById('format').value = arguments[0]", format)
        file = saved(shown, downloads)
        assert file.name == name
        with Image.open(file) as picture:
            assert picture.format == format.upper()
            assert picture.size == (columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
            assert (picture.mode == "RGBA") == (format == "webp")
        file.unlink()


def test_all_cutouts_come_as_one_zip(page: Browser, photograph: Path, downloads: Path, tmp_path: Path) -> None:
    page.upload("input.files", photograph, photograph, photograph)
    page.wait(f"document.querySelectorAll('#queue li').length === 3 && {DONE}")
    with zipfile.ZipFile(saved(page, downloads, "#download-all")) as archive:
        assert archive.namelist() == ["disk-cutout.png", "disk-cutout-2.png", "disk-cutout-3.png"]
        assert archive.testzip() is None
        with Image.open(io.BytesIO(archive.read("disk-cutout-3.png"))) as picture:
            np.testing.assert_array_equal(np.asarray(picture)[..., 3], expected(photograph)[..., 3])


def test_the_slider_compares(shown: Browser) -> None:
    slide(shown, "compare", 50)
    shown.box("#stage")
    screenshot = np.asarray(shown.screenshot()).astype(int)
    x, y = (round(value) for value in on_stage(shown, 30, 30))
    assert screenshot[y, x, 2] > screenshot[y, x, 0] + 50, "on the left the photograph's blue"
    x, y = (round(value) for value in on_stage(shown, 450, 30))
    assert np.ptp(screenshot[y, x]) < 15, "on the right the grey of transparency"


def test_it_works_by_keyboard_alone(shown: Browser, downloads: Path, photograph: Path) -> None:
    shown.run("document.getElementById('stage').focus()")
    shown.press("e", " ", "ArrowRight", "ArrowRight", " ")
    assert shown.run("return document.querySelector('[name=tool]:checked').value") == "erase"
    alpha = pixels(file := saved(shown, downloads), "RGBA")[..., 3]
    assert alpha[160, 240] == 0
    file.unlink()
    shown.run("document.getElementById('stage').focus()")
    zoom = "return document.getElementById('zoom').textContent"
    before = shown.run(zoom)
    shown.press("+")
    assert shown.run(zoom) != before
    shown.press("0")
    assert shown.run(zoom) == before


def test_a_finger_paints_and_two_fingers_zoom(shown: Browser) -> None:
    shown.settings(width=390, height=844)
    choose(shown, "tool", "erase")
    shown.box("#stage")
    x, y = on_stage(shown, 240, 160)
    shown.touch([(x, y)], [(x + 5, y)])
    shown.wait("!document.getElementById('undo').disabled")
    choose(shown, "tool", "move")
    zoom = "Number.parseInt(document.getElementById('zoom').textContent)"
    before = shown.run(f"return {zoom}")
    shown.touch([(x - 20, y), (x + 20, y)], [(x - 60, y), (x + 60, y)])
    shown.wait(f"{zoom} > {before}")


def test_what_failed_is_said_and_can_be_tried_again(page: Browser, photograph: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture at all")
    page.upload("input.files", broken, photograph)
    page.wait("document.querySelector('#queue li.failed') && document.querySelectorAll('#queue li').length === 2")
    sentence = page.run("return document.querySelector('#queue .failed .state').textContent")
    assert len(sentence) > 20
    assert "status" not in sentence
    page.wait("document.querySelectorAll('#queue li')[1].querySelector('.state').textContent.startsWith('done')")
    assert not page.run("return document.querySelector('#queue .failed .actions button').hidden")
    page.console()  # the browser reports the answer 400 itself


def test_a_key_is_asked_for(browser: Browser, photograph: Path, tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'gateway.db'}")
    keys = KeyStore(engine)
    said = "document.querySelector('#queue .state')?.textContent.includes"
    with gateway(FakeTransport(), AccountMeter(keys, Ledger(engine), RateLimiter())) as url:
        browser.open_url(url)
        browser.upload("input.files", photograph)
        browser.wait(f"{said}('enter it under Quality')")
        browser.wait("document.activeElement.id === 'key'")
        browser.press(*"wrong", ENTER)
        browser.wait(f"{said}('enter another one')")
        browser.run("document.getElementById('key').select()")
        browser.press(*keys.add("shop")[0], ENTER)
        browser.wait(SHOWN)
        browser.open_url("about:blank")
    browser.console()


def test_a_server_that_is_not_ready_is_asked_again(browser: Browser, photograph: Path) -> None:
    absent = ServerUnreachableError("Nothing answers.")
    with gateway(FakeTransport(failures=[absent] * 4)) as url:
        browser.open_url(url)
        browser.run("""
            const queue = document.getElementById("queue");
            window.said = "";
            new MutationObserver(() => (said += queue.textContent)).observe(queue, {childList: true, subtree: true});
        """)
        browser.upload("input.files", photograph)
        browser.wait(SHOWN, seconds=60)
        assert "the server is not ready: waiting for it" in browser.run("return window.said")
        browser.open_url("about:blank")
    browser.console()


def test_a_busy_server_is_asked_again(browser: Browser, photograph: Path) -> None:
    busy = ServerBusyError("The queue is full: try again later.")
    with gateway(FakeTransport(failures=[busy] * 4)) as url:
        browser.open_url(url)
        browser.upload("input.files", photograph)
        browser.wait("document.querySelector('#queue .state')?.textContent.includes('busy')", seconds=30)
        browser.wait(SHOWN, seconds=60)
        browser.open_url("about:blank")
    browser.console()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_finding_of_axe(page: Browser, photograph: Path, dark: bool, width: int) -> None:
    axe = (npm_package("axe-core", "4.14.1") / "axe.min.js").read_text("utf-8")
    page.settings(width=width, height=900, dark=dark)
    for state in ("empty", "shown"):
        if state == "shown":
            page.upload("input.files", photograph)
            page.wait(SHOWN)
        page.run(axe)
        page.run("window.findings = null; axe.run().then(({violations}) => window.findings = violations)")
        page.wait("window.findings", seconds=60)
        assert page.run("return window.findings.map(({impact, id, nodes}) => [impact, id, nodes[0].html])") == []
