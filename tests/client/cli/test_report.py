"""`tuft remove --report`: one page about all photographs of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.outputs import files
from support.page import Page, picture_in

from tuft import FakeTransport
from tuft.cli import main
from tuft.errors import NoSubjectError, ServerBusyError


def remove(*arguments: object) -> int:
    return main.main(["remove", "--size", "384", "--concurrency", "1", *map(str, arguments)])


def test_the_command_line_writes_it_beside_the_cutouts(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert remove(photos, "-o", out, "--report") == 0
    assert files(out) == ["cats/tom.png", "dog.png", "report.html"]
    assert capsys.readouterr().out.splitlines()[-1] == f"The page that shows them is {out / 'report.html'}"
    page = Page((out / "report.html").read_text("utf-8"))
    assert [link["href"] for link in page.all("a")] == ["cats/tom.png", "dog.png"]
    assert [text for text in page.text if text in ("cats/tom.tiff", "dog.png")] == ["cats/tom.tiff", "dog.png"]
    assert len(page.all("img")) == 6
    for stage in ("decode", "network", "encode"):
        assert stage in page.text
    shown = picture_in(page.all("img")[5]["src"])
    np.testing.assert_array_equal(np.asarray(shown)[..., 3], np.asarray(Image.open(out / "dog.png"))[..., 3])


def test_the_report_goes_where_it_is_asked_for(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "pages" / "today.html"
    assert remove(photos / "dog.png", "-o", tmp_path / "cut.webp", "--report", file) == 0
    assert [link["href"] for link in Page(file.read_text("utf-8")).all("a")] == ["../cut.webp"]
    assert remove(photos / "dog.png", "-o", tmp_path / "cut.webp", "--report") == 0
    assert (tmp_path / "report.html").exists()


def test_failures_are_in_the_report_with_their_sentence(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    (photos / "<b>.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    server.failures.extend(
        [NoSubjectError("Nothing stands in front: try another."), ServerBusyError("The queue is full.")]
    )
    out = tmp_path / "out"
    assert remove(photos, "-o", out, "--report") == 1
    page = Page((out / "report.html").read_text("utf-8"))
    assert [section.get("data-status") for section in page.all("section")] == ["fail"] * 3
    said = " ".join(page.text)
    assert "<b>.jpg" in said
    assert "tom.tiff: Nothing stands in front: try another." in said
    assert "dog.png: The queue is full." in said
    assert "3 photographs" in page.text
    assert files(out) == ["report.html"]


@pytest.mark.parametrize("name", ["photo.jpg", "report", "photos"])
def test_only_a_page_is_ever_overwritten(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with pytest.raises(SystemExit):
        remove(photos, "-o", tmp_path / "out", "--report", tmp_path / name)
    assert "does not end in .html" in capsys.readouterr().err
    (tmp_path / "folder.html").mkdir()
    assert remove(photos, "-o", tmp_path / "out", "--report", tmp_path / "folder.html") == 1
    assert "is a folder" in capsys.readouterr().err
    assert not server.requests


def test_nothing_to_do_is_a_report_too(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    assert remove(photos, "-o", tmp_path / "out") == 0
    assert remove(photos, "-o", tmp_path / "out", "--skip-existing", "--report") == 0
    page = Page((tmp_path / "out" / "report.html").read_text("utf-8"))
    assert "There is nothing to show." in page.text
