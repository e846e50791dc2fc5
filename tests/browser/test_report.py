"""The report in a real browser, opened from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tuft.report import Exhibit, Focus, Layer, Run, html_report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.browser import Browser

pytestmark = pytest.mark.slow

SIZE = (480, 320)
ORANGE, GREEN, GREY, WHITE, BLACK = (230, 120, 20), (30, 120, 60), (128, 128, 128), (255, 255, 255), (0, 0, 0)
CHECKER = ((220, 218, 213), (251, 250, 248))
PAGE = ".exhibit:nth-of-type(1) "


def cutout() -> Image.Image:
    """A transparent picture with an opaque green rectangle in its middle half."""
    picture = Image.new("RGBA", SIZE)
    ImageDraw.Draw(picture).rectangle((120, 80, 359, 239), fill=GREEN)
    return picture


def layers() -> tuple[Layer, ...]:
    photo, alpha = Image.new("RGB", SIZE, ORANGE), Image.new("L", SIZE, GREY[0])
    return Layer("photograph", photo), Layer("alpha", alpha), Layer("cut-out", cutout())


HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>.png"
EXHIBITS = (
    Exhibit("first", layers=layers(), runs=(Run("", {"decode": 30.0, "network": 70.0}),), status="pass"),
    Exhibit(HOSTILE, "javascript:alert(1)", layers(), status="fail", focus=Focus(0.25, 0.75, 4)),
    Exhibit("third", layers=layers(), pair=("cut-out", "alpha")),
)


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Browser]:
    """The opened report; at the end there must have been no console message and no request but for the page."""
    file = tmp_path / "report.html"
    file.write_text(html_report(EXHIBITS, title="report", subtitle="three"), "utf-8")
    browser.open(file)
    browser.wait("document.querySelectorAll('.pane img').length")
    yield browser
    assert browser.console() == []
    outside = [address for address in browser.requests() if not address.startswith("data:")]
    assert outside == [file.as_uri()]


def colour_at(page: Browser, across: float, down: float, *, within: str = PAGE) -> tuple[int, ...]:
    """The visible colour at a place of the stage, in fractions of its width and height."""
    left, top, width, height = page.box(f"{within}.stage")
    page.wait("[...document.images].every((image) => image.complete)")
    pixel = page.screenshot().getpixel((round(left + across * width), round(top + down * height)))
    assert isinstance(pixel, tuple)
    return pixel


def is_near(seen: tuple[int, ...], *meant: tuple[int, ...]) -> bool:
    return any(np.abs(np.subtract(seen, one)).max() <= 6 for one in meant)


def drag_slider(page: Browser, start: float, end: float) -> None:
    left, top, width, height = page.box(f"{PAGE}.stage")
    page.drag((left + start * width, top + height / 2), (left + end * width, top + height / 2))


def transform(page: Browser, side: str, *, within: str = PAGE) -> tuple[float, float, float]:
    """Shift right and down in fractions of the stage, and scale, as the browser applies them."""
    script = """
        const image = document.querySelector(arguments[0]);
        const matrix = new DOMMatrix(getComputedStyle(image).transform);
        return [matrix.e / image.offsetWidth, matrix.f / image.offsetHeight, matrix.a];
    """
    right, down, scale = page.run(script, f"{within}.pane.{side} img")
    return right, down, scale


def moved_alike(page: Browser, **options: str) -> tuple[float, float, float]:
    left, right = transform(page, "left", **options), transform(page, "right", **options)
    assert left == right
    return left


def test_left_and_right_of_the_slider_are_the_layers_chosen(page: Browser) -> None:
    assert is_near(colour_at(page, 0.4, 0.5), ORANGE)
    assert is_near(colour_at(page, 0.6, 0.5), GREEN)
    drag_slider(page, 0.5, 0.7)
    assert is_near(colour_at(page, 0.66, 0.5), ORANGE)
    assert is_near(colour_at(page, 0.74, 0.5), GREEN)


def test_the_slider_obeys_a_drag_on_the_picture_fingers_and_keys(page: Browser) -> None:
    drag_slider(page, 0.2, 0.4)  # not on the handle: moves by the distance of the mouse
    assert is_near(colour_at(page, 0.66, 0.3), ORANGE)
    left, top, width, height = page.box(f"{PAGE}.stage")
    places = [(left + share * width, top + 0.6 * height) for share in (0.9, 0.8, 0.6, 0.4)]
    page.touch(*([place] for place in places))
    assert is_near(colour_at(page, 0.36, 0.3), GREEN)
    page.run(f"document.querySelector('{PAGE}.cut').focus()")
    page.press("End")
    assert is_near(colour_at(page, 0.9, 0.1), ORANGE)
    page.press("Home")
    assert is_near(colour_at(page, 0.3, 0.5), GREEN)


def test_the_slider_has_a_name_and_says_where_it_is(page: Browser) -> None:
    nodes = page.devtools("Accessibility.getFullAXTree", {})["nodes"]
    sliders = [node for node in nodes if node.get("role", {}).get("value") == "slider"]
    assert "first" in sliders[0]["name"]["value"]
    names = [node["name"]["value"] for node in nodes if node.get("role", {}).get("value") in ("button", "combobox")]
    assert all(names)
    assert page.run(f"return document.querySelector('{PAGE}.cut').ariaValueText") == "photograph to 50 percent"


def test_selects_and_small_pictures_choose_the_layers(page: Browser) -> None:
    choose = "const s = document.querySelector(arguments[0]); s.value = 1; s.dispatchEvent(new Event('change'))"
    page.run(choose, f"{PAGE}[data-side=left]")
    assert is_near(colour_at(page, 0.4, 0.5), GREY)
    assert is_near(colour_at(page, 0.6, 0.5), GREEN)
    page.click(f"{PAGE}.layer[data-layer='0']")
    assert is_near(colour_at(page, 0.6, 0.5), ORANGE)
    assert page.run(f"return document.querySelector('{PAGE}[data-side=right]').value") == "0"
    pressed = "return [...document.querySelectorAll(arguments[0])].map((layer) => layer.ariaPressed)"
    assert page.run(pressed, f"{PAGE}.layer") == ["true", "false", "false"]


def test_every_backdrop_is_behind_the_transparent_part_alone(page: Browser) -> None:
    assert is_near(colour_at(page, 0.9, 0.1), *CHECKER)
    colours = {"black": BLACK, "white": WHITE}
    for name, colour in colours.items():
        page.click(f"{PAGE}[data-backdrop={name}]")
        assert is_near(colour_at(page, 0.9, 0.1), colour)
        assert is_near(colour_at(page, 0.6, 0.5), GREEN)
        assert is_near(colour_at(page, 0.1, 0.1), ORANGE)
    choose = "const c = document.querySelector(arguments[0]); c.value = '#204080'; c.dispatchEvent(new Event('input'))"
    page.run(choose, f"{PAGE}[type=color]")
    assert is_near(colour_at(page, 0.9, 0.1), (0x20, 0x40, 0x80))
    page.click(f"{PAGE}[data-backdrop=checker]")
    assert is_near(colour_at(page, 0.9, 0.1), *CHECKER)


def test_the_buttons_zoom_about_the_middle_and_a_double_click_resets(page: Browser) -> None:
    assert moved_alike(page) == (0, 0, 1)
    page.click(f"{PAGE}[data-zoom=in]")
    assert moved_alike(page) == pytest.approx((-0.25, -0.25, 1.5), abs=1e-3)
    page.click(f"{PAGE}[data-zoom=in]")
    assert moved_alike(page) == pytest.approx((-0.625, -0.625, 2.25), abs=1e-3)
    assert is_near(colour_at(page, 0.95, 0.5), GREEN)  # at 1× this is outside the subject
    page.click(f"{PAGE}[data-zoom=out]")
    assert moved_alike(page)[2] == pytest.approx(1.5)
    left, top, width, height = page.box(f"{PAGE}.stage")
    page.double_click((left + 0.2 * width, top + 0.2 * height))
    assert moved_alike(page) == (0, 0, 1)


def test_the_wheel_keeps_the_place_under_it_and_a_drag_moves_both(page: Browser) -> None:
    left, top, width, height = page.box(f"{PAGE}.stage")
    corner = (left + 0.25 * width, top + 0.25 * height)
    page.wheel(corner, -120, ctrl=True)
    page.wheel(corner, -120, ctrl=True)
    page.wait(f"new DOMMatrix(document.querySelector('{PAGE}.pane img').style.transform.replace(/%/g, 'px')).a > 1.5")
    right, down, scale = moved_alike(page)
    assert (right, down) == pytest.approx((0.25 * (1 - scale), 0.25 * (1 - scale)), abs=2e-3)
    start = (left + 0.2 * width, top + 0.2 * height)
    page.drag(start, (start[0] - 40, start[1] - 20))
    after = moved_alike(page)
    assert after == pytest.approx((right - 40 / width, down - 20 / height, scale), abs=2e-3)
    page.drag(start, (start[0] + 900, start[1] + 600))
    assert moved_alike(page)[:2] == pytest.approx((0, 0), abs=1e-6)  # never outside the picture


def test_the_wheel_alone_scrolls(page: Browser) -> None:
    left, top, width, height = page.box(f"{PAGE}.stage")
    page.run("window.scrollTo({top: 0, behavior: 'instant'})")
    left, top, width, height = page.run(
        "const b = document.querySelector('.stage').getBoundingClientRect(); return [b.left, b.top, b.width, b.height]"
    )
    page.wheel((left + width / 4, top + height / 4), 120)
    page.wait("scrollY > 0")
    assert moved_alike(page) == (0, 0, 1)


def test_two_fingers_zoom(page: Browser) -> None:
    left, top, width, height = page.box(f"{PAGE}.stage")
    middle = (left + width / 2, top + height / 2)
    steps = [[(middle[0] - apart, middle[1]), (middle[0] + apart, middle[1])] for apart in (60, 90, 120)]
    page.touch(*steps)
    assert moved_alike(page)[2] == pytest.approx(2, abs=0.1)


def test_far_in_pixels_stay_squares(page: Browser) -> None:
    rendering = f"return getComputedStyle(document.querySelector('{PAGE}.pane img')).imageRendering"
    assert page.run(rendering) == "auto"
    page.run(f"document.querySelector('{PAGE}.cut').focus()")
    page.press(*"+++")
    assert page.run(rendering) == "pixelated"
    page.press("0")
    assert page.run(rendering) == "auto"


def test_a_focus_and_a_pair_are_what_the_page_opens_on(page: Browser) -> None:
    second, third = ".exhibit:nth-of-type(2) ", ".exhibit:nth-of-type(3) "
    page.box(f"{second}.stage")
    page.wait(f"document.querySelector('{second}.pane img')")
    opened = pytest.approx((0.5 - 0.25 * 4, 0.5 - 0.75 * 4, 4), abs=1e-3)
    assert moved_alike(page, within=second) == opened
    left, top, width, height = page.box(f"{second}.stage")
    for expected in ((0, 0, 1), opened):  # a double click shows the whole, the next one the initial view
        page.double_click((left + 0.2 * width, top + 0.2 * height))
        assert moved_alike(page, within=second) == expected
    page.box(f"{third}.stage")
    page.wait(f"document.querySelector('{third}.pane img')")
    assert is_near(colour_at(page, 0.4, 0.5, within=third), GREEN)
    assert is_near(colour_at(page, 0.6, 0.5, within=third), GREY)


def test_only_failures_are_left_when_asked_for(page: Browser) -> None:
    shown = "return [...document.querySelectorAll('.exhibit')].map((exhibit) => exhibit.offsetHeight > 0)"
    assert page.run(shown) == [True, True, True]
    page.click("#failures")
    assert page.run(shown) == [False, True, False]
    page.click("#failures")
    assert page.run(shown) == [True, True, True]


def test_a_hostile_name_is_only_shown(page: Browser) -> None:
    assert page.run("return document.title") == "report"
    assert page.run("return document.querySelectorAll('h2')[1].textContent") == HOSTILE
    assert page.run("return document.scripts.length") == 1


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_all_of_it_in_its_width(page: Browser, dark: bool) -> None:
    try:
        page.settings(width=360, height=740, dark=dark)
        assert page.run("return document.documentElement.scrollWidth") == 360
        left, _, width, _ = page.box(f"{PAGE}.stage")
        assert left >= 0
        assert width > 300
        paper = page.screenshot().getpixel((2, 2))
        assert isinstance(paper, tuple)
        assert (max(paper) < 60) == dark
    finally:
        page.settings(width=1280, height=900)


def test_without_scripts_the_pictures_are_there(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(html_report(EXHIBITS[:1], title="report", subtitle="one"), "utf-8")
    try:
        browser.devtools("Emulation.setScriptExecutionDisabled", {"value": True})
        browser.open(file)
        pixels = np.asarray(browser.screenshot(), np.int16).reshape(-1, 3)
    finally:
        browser.devtools("Emulation.setScriptExecutionDisabled", {"value": False})
    for colour in (ORANGE, GREY, GREEN):
        assert (np.abs(pixels - np.array(colour)).max(axis=1) <= 6).mean() > 0.01
