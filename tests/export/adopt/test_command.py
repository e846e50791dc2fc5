"""`tuft-export adopt`, and the commands of docs/adopt.md."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from support import published
from support.published import SIZE

from tuft.provenance import check_model
from tuft_export.cli.main import main


def test_the_command_tells_what_was_proven_and_where_it_is(
    file: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published.u2net(file)
    arguments = ["--name", "u2net_96", "--normalize", "u2net", "--output-activation", "none", "--output", "1959"]
    assert main(["adopt", str(file), *arguments, "--repository", str(target), "--max-batch", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "u2net_96 at 96: equal to the network (tolerance 0.001)"
    assert [line.split(":")[0].strip() for line in lines[1:4]] == ["batch 1", "batch 2", "batch 3"]
    assert lines[4].strip() == "served in batches of up to 4"
    assert lines[5] == str(target / "u2net_96" / "1")


def test_the_commands_failures_are_one_line(file: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published.u2net(file)
    arguments = ["--name", "tiny", "--normalize", "u2net", "--output-activation", "none"]
    assert main(["adopt", str(file), *arguments, "--repository", str(target)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("tuft-export: ")
    assert error.count("\n") == 1
    assert "--output" in error


# From each model in the commands of docs/adopt.md to a network as the table there describes it.
DOCUMENTED: dict[str, Callable[[Path], Path]] = {
    "birefnet_1024": lambda path: published.birefnet(path, shape=(1, 3, SIZE, SIZE)),
    "rmbg2_1024": lambda path: published.rmbg_1_4(path, input_name="pixel_values"),
    "rmbg14_1024": published.rmbg_1_4,
    "isnet_1024": published.u2net,
    "u2net_320": published.u2net,
}


def documented_commands() -> list[str]:
    page = (Path(__file__).parents[3] / "docs" / "adopt.md").read_text()
    return sorted(set(re.findall(r"tuft-export (adopt [^`\n]+)", page)))


def test_every_documented_network_is_tried() -> None:
    assert {shlex.split(command)[3] for command in documented_commands()} == set(DOCUMENTED)


@pytest.mark.parametrize("command", documented_commands())
def test_documented_commands_run(command: str, target: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # where `target` is the default repository
    arguments = shlex.split(command.replace("--output NAME", "--output 1959"))
    DOCUMENTED[arguments[3]](tmp_path / arguments[1])
    assert main(arguments) == 0
    assert len(check_model(target / arguments[3])) == 1
