from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.outputs import files, mode

from tuft import PRESETS, Client, FakeTransport
from tuft.cli import demo
from tuft.cli.demo import DemoOptions
from tuft.cli.main import main
from tuft.errors import NoSubjectError, OutputError, SetupError


@pytest.fixture(autouse=True)
def at_the_fake(fake: FakeTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "Client", lambda url: Client(url, transport=fake, fallback=False))


def test_every_preset_is_on_the_page(photos: Path, tmp_path: Path) -> None:
    page = demo.demo(DemoOptions("gpu:8001", (photos / "dog.png",), tmp_path / "out"))
    assert page == tmp_path / "out" / "index.html"
    assert files(page.parent) == sorted(["index.html", *(f"dog-{preset}.png" for preset in PRESETS)])
    assert mode(page.parent / "dog-maximum.png") == "RGBA"
    text = page.read_text("utf-8")
    assert text.count("base64,") == 1 + 2 * len(PRESETS)
    for preset in PRESETS:
        assert f'href="dog-{preset}.png"' in text
    assert "served by gpu:8001" in text


def test_a_photograph_without_a_subject_does_not_end_it(photos: Path, tmp_path: Path, fake: FakeTransport) -> None:
    fake.failures.append(NoSubjectError("Nothing stands in front: try another."))
    text = demo.demo(DemoOptions("gpu:8001", (photos / "dog.png",), tmp_path / "out")).read_text("utf-8")
    assert "Nothing stands in front: try another." in text
    assert text.count("base64,") == 1 + 2 * (len(PRESETS) - 1)


def test_a_folder_that_cannot_be_made_is_told(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/out cannot be made \(Not a directory\): give another one\.$"):
        demo.demo(DemoOptions("gpu:8001", (photos / "dog.png",), tmp_path / "file" / "out"))


def test_without_a_tritonserver_this_process_computes(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise SetupError("There is no tritonserver.")

    monkeypatch.setattr(demo, "find_tritonserver", missing)
    monkeypatch.setattr(demo, "computes_here", lambda: True)
    assert main(["demo", str(photos / "dog.png"), "-o", str(tmp_path / "out")]) == 0
    assert "there is no tritonserver, so this process computes (--url local)" in capsys.readouterr().err
    assert "served by local" in (tmp_path / "out" / "index.html").read_text("utf-8")


def test_samples_need_scikit_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(SetupError, match="scikit-image"):
        demo.demo(DemoOptions("gpu:8001", folder=tmp_path))
