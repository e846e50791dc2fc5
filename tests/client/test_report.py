"""The report as HTML: its contents, and that no text becomes markup."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.outputs import files
from support.page import Page, picture_in

from tuft import Client, Cutout
from tuft.errors import OptionError, OutputError
from tuft.report import LONG_SIDE_PX, Collector, Exhibit, Layer, Reduced, Run, fitting_px, html_report


def page_of(*exhibits: Exhibit, **options: Any) -> Page:
    return Page(html_report(exhibits, title="title", subtitle="subtitle", **options))


def layers(size: tuple[int, int] = (60, 40)) -> tuple[Layer, Layer, Layer]:
    cutout = Image.new("RGBA", size, (10, 200, 30, 255))
    cutout.paste((0, 0, 0, 0), (0, 0, size[0], size[1] // 2))
    return (
        Layer("photograph", Image.new("RGB", size, "orange")),
        Layer("alpha", Image.linear_gradient("L").resize(size)),
        Layer("cut-out", cutout),
    )


def test_each_layer_is_inlined_once_and_nothing_else_is_asked_for() -> None:
    text = html_report((Exhibit("a", layers=layers()), Exhibit("b", layers=layers())), title="t", subtitle="s")
    page = Page(text)
    assert text.count("base64,") == len(page.all("img")) == 6
    for element, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "background"):
            assert attributes.get(name, "data:").startswith("data:"), element
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_the_page_may_run_its_own_script_and_load_nothing() -> None:
    (policy,) = [meta["content"] for meta in page_of().all("meta") if "http-equiv" in meta]
    assert "default-src 'none'" in policy
    assert "img-src data:" in policy
    assert re.search(r"script-src 'sha256-[\w+/]{43}='", policy)


@pytest.mark.parametrize(("size", "expected"), [((3000, 2000), (1280, 853)), ((20, 3000), (9, 1280)), ((9, 6), (9, 6))])
def test_pictures_are_reduced_and_keep_their_kind(size: tuple[int, int], expected: tuple[int, int]) -> None:
    page = page_of(Exhibit("a", layers=layers(size)))
    shown = [picture_in(image["src"]) for image in page.all("img")]
    assert [picture.size for picture in shown] == [expected] * 3
    assert [picture.mode for picture in shown] == ["RGB", "RGB", "RGBA"]
    assert "{} × {}".format(*size) in page.text


def test_alpha_keeps_every_grey_level() -> None:
    alpha = Image.linear_gradient("L")
    (image,) = page_of(Exhibit("a", layers=[Layer("alpha", alpha)])).all("img")
    np.testing.assert_array_equal(np.asarray(picture_in(image["src"]).convert("L")), np.asarray(alpha))


def test_reducing_a_cutout_draws_no_dark_rim() -> None:
    rgba = np.zeros((400, 400, 4), np.uint8)
    rgba[101:303, 101:303] = (250, 240, 230, 255)
    reduced = Layer("cut-out", Image.fromarray(rgba)).reduced(100).picture
    assert isinstance(reduced, Reduced)
    small = np.asarray(Image.open(io.BytesIO(reduced.webp)))
    assert small[small[..., 3] > 60][:, :3].min() > 215


def test_what_is_reduced_is_not_reduced_again() -> None:
    once = Exhibit("a", layers=layers((2000, 1000))).reduced(100)
    assert once.reduced(50).layers[0].picture is once.layers[0].picture
    page = page_of(once)
    assert [picture_in(image["src"]).width for image in page.all("img")] == [100] * 3
    assert "2000 × 1000" in page.text


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, ["0", "2"]),
        ({"pair": ("alpha", "photograph")}, ["1", "0"]),
        ({"layers": layers()[:2]}, ["0", "1"]),
        ({"layers": layers()[:1]}, ["0", "0"]),
    ],
)
def test_the_pair_shown_first(options: dict[str, Any], chosen: list[str]) -> None:
    page = page_of(Exhibit("a", **{"layers": layers(), **options}))
    assert [option["value"] for option in page.all("option") if "selected" in option] == chosen


def test_times_figures_status_and_focus() -> None:
    runs = [
        Run("high", {"decode": 100, "network": 300, "refine": 0}, "by model 7", "out/a b.png"),
        Run("stable", {}, "no subject"),
    ]
    exhibit = Exhibit("a", "a note", layers(), runs, {"SAD": "1.2 < 2"}, "fail", focus=(0.25, 0.5, 8))
    page = page_of(exhibit, Exhibit("b", status="pass"), Exhibit("c", status="pass"))
    assert len(page.with_class("bar")) == 1
    widths = [i["style"].split(";")[0] for i in page.all("i") if i.get("style", "").startswith("flex")]
    assert widths == ["flex:0.2500", "flex:0.7500"]
    for said in ("0.40 s", "100 ms", "300 ms", "by model 7", "no subject", "SAD", "1.2 < 2", "a note", "2 passed"):
        assert said in page.text
    assert "refine" not in page.text
    assert [link["href"] for link in page.all("a")] == ["out/a%20b.png"]
    assert page.with_class("viewer")[0]["data-focus"] == "0.25,0.5,8"
    assert [section.get("data-status") for section in page.all("section")] == ["fail", "pass", "pass"]
    assert any(button.get("id") == "failures" for button in page.all("button"))


def test_without_verdicts_there_is_nothing_to_filter() -> None:
    page = page_of(Exhibit("a", layers=layers()))
    assert not page.with_class("badge")
    assert not any(button.get("id") for button in page.all("button"))


HOSTILE = """</script></style><img src=x onerror=alert(1)>"'`&amp;<!-- --><svg/onload=alert(1)>"""
ANY_TEXT = st.one_of(st.text(), st.just(HOSTILE), st.text("<>\"'&/=`! -scriptonload\ud800\udcff\0"))


@given(text=ANY_TEXT)
@settings(max_examples=60)
def test_no_text_becomes_markup(text: str) -> None:
    def page(said: str) -> Page:
        run = Run(said, {said: 1.0}, said, said or "x")
        layer = Layer(said, Image.new("RGB", (2, 2)))
        exhibit = Exhibit(said, said, [layer], [run], {said: said})
        text = html_report([exhibit], title=said, subtitle=said)
        return Page(text.encode().decode())

    plain, hostile = page("plain"), page(f"a{text}")
    assert [name for name, _ in hostile.elements] == [name for name, _ in plain.elements]
    assert [set(attributes) for _, attributes in hostile.elements] == [
        set(attributes) for _, attributes in plain.elements
    ]


@pytest.mark.parametrize(
    "path", ["javascript:alert(1).png", "a?b#c.png", "https://x.y/z.png", '" onclick="x', "\udcff.png"]
)
def test_a_link_stays_a_relative_path(path: str) -> None:
    (link,) = page_of(Exhibit("a", runs=[Run("", {}, href=path)])).all("a")
    assert re.fullmatch(r"[\w%.-][\w%./-]*", link["href"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Layer("palette", Image.new("P", (2, 2))),
        lambda: Exhibit("a", layers=[layers()[0], layers()[0]]),
        lambda: Exhibit("a", layers=[layers()[0], layers((61, 40))[1]]),
        lambda: Exhibit("a", layers=layers(), pair=("photograph", "depth")),
        lambda: Exhibit("a", status="maybe"),  # type: ignore[arg-type]
        lambda: Exhibit("a", layers=layers(), focus=(0.5, 1.5, 2)),
        lambda: Exhibit("a", layers=layers(), focus=(0.5, 0.5, 0.5)),
        lambda: Exhibit("a", layers=layers(), focus=(float("nan"), 0.5, 2)),
    ],
)
def test_nonsense_is_refused(make: Any) -> None:
    with pytest.raises(OptionError):
        make()


def test_many_exhibits_share_the_pixels_of_few() -> None:
    assert fitting_px(1) == fitting_px(24) == LONG_SIDE_PX
    assert pytest.approx(96 * fitting_px(96) ** 2, rel=0.01) == 24 * LONG_SIDE_PX**2
    assert fitting_px(200) == fitting_px(10_000) == 480


@pytest.fixture
def cutout(client: Client, scene: Any) -> Cutout:
    return client.remove(scene.rgb)


def test_of_many_only_the_first_are_kept(cutout: Cutout, tmp_path: Path) -> None:
    targets = [tmp_path / f"{number}.png" for number in range(5)]
    collector = Collector(tmp_path / "report.html", targets, shown=2)
    for number in (4, 1, 0, 2):  # in order of completion
        collector.add(Path(f"{number}.jpg"), targets[number], cutout, encode_ms=3.0)
    collector.fail(Path("3.jpg"), targets[3], "3.jpg: no luck")
    collector.write()
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert [text for text in page.text if text.endswith(".jpg")] == ["0.jpg", "1.jpg", "3.jpg"]
    assert "5 photographs; only the first 2 and every failure are shown" in page.text
    assert len(page.all("img")) == 6


def test_a_report_that_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.html"
    file.write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        Collector(file, []).write()
    assert file.read_text() == "before"
    assert files(tmp_path) == ["report.html"]
