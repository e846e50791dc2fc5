"""Which server the command line uses if nothing names one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tuft import errors
from tuft.cli import _shared
from tuft.cli.main import main
from tuft.inference.transport import FakeTransport

SAYS = "tuft: no server answers at localhost:8001, so this process computes (--url local)\n"


@pytest.fixture
def photograph(scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the working directory, which holds no settings; nothing answers at the default address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(_shared, "answers", lambda url, access: False)
    Image.fromarray(scene.rgb).save(tmp_path / "dog.png")
    return tmp_path / "dog.png"


@pytest.fixture
def local(scene: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that are connected to; `local` is installed."""
    opened: list[str] = []

    def connect(url: str, access: object = None) -> FakeTransport:
        opened.append(url)
        return FakeTransport(scene.saliency)

    monkeypatch.setattr(_shared, "connect", connect)
    monkeypatch.setattr("tuft.client.connect", connect)
    monkeypatch.setattr(_shared, "transport_name", lambda url: url)
    return opened


def test_this_process_computes_where_no_server_answers(
    photograph: Path, local: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["remove", str(photograph), "-o", "out.png"]) == 0
    assert SAYS in capsys.readouterr().err
    assert local[-1] == "local"


def test_a_server_that_answers_is_used(
    photograph: Path, local: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_shared, "answers", lambda url, access: True)
    assert main(["remove", str(photograph), "-o", "out.png"]) == 0
    assert "tuft: using the server at localhost:8001\n" in capsys.readouterr().err
    assert local == ["localhost:8001"]


@pytest.mark.parametrize("source", ["argument", "variable", "file"])
def test_a_setting_is_taken_as_it_is(
    photograph: Path,
    local: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    arguments = []
    if source == "argument":
        arguments = ["--url", "localhost:8001"]
    elif source == "variable":
        monkeypatch.setenv("TUFT_URL", "localhost:8001")
    else:
        Path("tuft.toml").write_text('url = "localhost:8001"')
    assert main(["remove", str(photograph), "-o", "out.png", *arguments]) == 0
    assert "tuft:" not in capsys.readouterr().err
    assert local == ["localhost:8001"]


def test_without_either_the_sentence_says_what_to_do(
    photograph: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(url: str, access: object = None) -> FakeTransport:
        raise errors.SetupError("Nothing to compute with is installed: pip install 'tuft-matting[local]'.")

    monkeypatch.setattr(_shared, "connect", connect)
    assert main(["remove", str(photograph), "-o", "out.png"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tuft: No server answers at localhost:8001, and there is nothing to compute with")
    assert "pip install 'tuft-matting[local]'" in line
    assert not Path("out.png").exists()
