"""`tuft models`: what it tells, what it asks, and what it publishes."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support import published
from support.files_over_http import Files, files_over_http

from tuft import FakeTransport
from tuft.cli import models as command
from tuft.cli.main import main
from tuft.models import MODELS, Download, KnownModel, rows


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUFT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files() -> Iterator[Files]:
    with files_over_http() as served:
        yield served


@pytest.fixture
def known(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, KnownModel]:
    """The rows with stand-ins for two of them."""
    changed = dict(MODELS)
    for name in ("u2netp", "rmbg-2.0"):
        content = published.rmbg_1_4(tmp_path / "stand_in.onnx").read_bytes()
        origin = Download(files.add(name, content), sha256=hashlib.sha256(content).hexdigest())
        changed[name] = replace(MODELS[name], origin=origin, size=published.SIZE)
    monkeypatch.setattr(rows, "MODELS", changed)
    monkeypatch.setattr(command, "MODELS", changed)
    return changed


def test_the_list_tells_names_licences_and_what_is_here(
    known: Mapping[str, KnownModel], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "u2netp"]) == 0
    capsys.readouterr()
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", *known]
    assert [line.split()[0] for line in lines if line.endswith("yes")] == ["u2netp"]
    assert [line.split()[0] for line in lines if "not commercial" in line] == ["rmbg-1.4", "rmbg-2.0"]


@pytest.mark.parametrize("name", MODELS)
def test_show_tells_each_fact_with_its_source(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", name]) == 0
    told = capsys.readouterr().out
    model = MODELS[name]
    assert all(f"[{source}]" in told for source in model.sources.values())
    assert (model.published_hash or "recorded when it first arrives") in told


def test_pull_publishes_and_tells_how_to_use_it(
    known: Mapping[str, KnownModel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "u2netp"]) == 0
    out = capsys.readouterr().out
    assert "u2netp at 96: equal to the network" in out
    assert "tuft remove PHOTO --model u2netp --url local\n" in out
    assert (tmp_path / "data" / "model_repository" / "u2netp" / "1" / "model.onnx").is_file()
    assert main(["models", "pull", "u2netp"]) == 0
    assert "published already" in capsys.readouterr().out
    assert main(["models", "pull", "u2netp", "--repository", "elsewhere"]) == 0
    out = capsys.readouterr().out
    assert "--url local:elsewhere" in out
    assert "tuft serve --repository elsewhere" in out


def test_a_licence_that_forbids_commercial_use_has_to_be_accepted(
    known: Mapping[str, KnownModel], files: Files, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["models", "pull", "u2netp", "bria-rmbg"]) == 1
    error = capsys.readouterr().err
    assert "rmbg-2.0: CC BY-NC 4.0, not for commercial use" in error
    assert "is not accepted: read it, and give --accept-licence" in error
    assert files.ranges == []  # nothing is fetched before all are accepted
    assert main(["models", "pull", "rmbg-2.0", "--accept-licence"]) == 0


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("no\n", 1), ("\n", 1)])
def test_a_person_is_asked(
    answer: str, code: int, known: Mapping[str, KnownModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main(["models", "pull", "rmbg-2.0"]) == code


def test_wrong_names_are_answered_before_anything_is_fetched(
    known: Mapping[str, KnownModel], files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "u2netp", "u2nett"]) == 1
    assert "There is no model 'u2nett': did you mean u2net" in capsys.readouterr().err
    assert files.ranges == []


def test_a_server_without_a_known_model_is_told_how_to_get_it(
    server: FakeTransport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "dog.png"
    Image.new("RGB", (64, 64)).save(photo)
    assert main(["remove", str(photo), "--model", "u2netp"]) == 1
    assert "This server has no u2netp: publish it with `tuft models pull u2netp`." in capsys.readouterr().err
