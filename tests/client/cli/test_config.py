from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tuft.cli import main
from tuft.settings.descriptions import meanings, summaries
from tuft.settings.values import NAMES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    path = tmp_path / "mine.toml"
    path.write_text('timeout_s = 7\nfallback_on = ["memory", "timeout"]\nstable_last = true\n')
    return path


def test_each_setting_is_told_with_its_value_and_origin(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUFT_URL", "gpu:9001")
    assert main.main(["config", "--config", str(file), "--preset", "high"]) == 0
    said = capsys.readouterr()
    heading, *lines = said.out.splitlines()
    assert heading.split() == ["setting", "value", "from", "meaning"]
    columns = [re.split(r"  +", line) for line in lines]
    rows = {name: (value, origin) for name, value, origin, _ in columns}
    assert tuple(rows) == NAMES
    assert {name: meaning for name, _, _, meaning in columns} == summaries()
    assert rows["url"] == ("gpu:9001", "variable TUFT_URL")
    assert rows["preset"] == ("high", "argument")
    assert rows["timeout_s"] == ("7.0", f"file {file}")
    assert rows["fallback_on"] == ("memory,timeout", f"file {file}")
    assert rows["stable_last"] == ("yes", f"file {file}")
    assert rows["retries"] == ("2", "default")
    assert not said.err


def test_programs_get_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["config", "--json", "--config", str(file)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["file"] == str(file)
    assert tuple(document["settings"]) == NAMES
    stable_last = document["settings"]["stable_last"]
    assert stable_last == {"value": True, "from": f"file {file}", "meaning": meanings()["stable_last"]}
    assert document["settings"]["fallback_on"]["value"] == ["memory", "timeout"]
    assert main.main(["config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["file"] is None


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_secrets_are_not_printed(
    form: list[str], file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text('token = "s3cret"\nheaders = ["x-key: s3cret, and more", "s3cret"]\n')
    monkeypatch.setenv("TUFT_URL", "grpcs://me:s3cret@gpu:8001")
    assert main.main(["config", "--config", str(file), *form]) == 0
    said = capsys.readouterr().out
    assert "s3cret" not in said
    for told in ("grpcs://gpu:8001", "x-key: (hidden)", f"file {file}"):
        assert told in said


@pytest.mark.parametrize("text", ["token = 7777", "token = ['7777']", "headers = '7777'", "headers = 7777"])
def test_nor_when_they_have_another_type(text: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(text)
    assert main.main(["config", "--config", str(file)]) == 1
    line = capsys.readouterr().err
    assert line.startswith(f"tuft: {text.partition(' ')[0]} is of another type in {file}: set it to ")
    assert "7777" not in line


def test_a_variable_that_is_misspelt_is_hinted_at(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUFT_TIMEOUT", "3")
    assert main.main(["config"]) == 0
    assert capsys.readouterr().err == "tuft: TUFT_TIMEOUT sets nothing: did you mean TUFT_TIMEOUT_S?\n"


def test_a_mistake_is_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("timeout = 7")
    assert main.main(["config", "--config", str(file)]) == 1
    assert capsys.readouterr().err == f"tuft: {file} sets timeout, which is no setting: write timeout_s.\n"
