"""`tuft completion` in the shells that are here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tuft.cli import main
from tuft.cli.completion import SHELLS
from tuft.presets import PRESETS

if TYPE_CHECKING:
    from pathlib import Path


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main.main(["completion", shell]) == 0
    return capsys.readouterr().out


def completed(line: str, script: str, folder: Path) -> list[str]:
    """What bash offers for the last word of `line`."""
    words = line.split(" ")
    (folder / ".completion").write_text(script)
    program = f"""
        source .completion
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}; COMPREPLY=()
        $(complete -p tuft | sed -E 's/.*-F ([^ ]+).*/\\1/')
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return sorted(done.stdout.split())


def test_bash_completes_commands_options_values_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = script("bash", capsys)
    (tmp_path / "dog.jpg").touch()
    (tmp_path / "dogs").mkdir()
    assert completed("tuft rem", made, tmp_path) == ["remove"]
    assert completed("tuft remove --pre", made, tmp_path) == ["--preset"]
    assert completed("tuft remove --preset ", made, tmp_path) == sorted(PRESETS)
    assert completed("tuft remove do", made, tmp_path) == ["dog.jpg", "dogs"]
    assert completed("tuft remove a.jpg -o do", made, tmp_path) == ["dog.jpg", "dogs"]
    assert completed("tuft demo --repository do", made, tmp_path) == ["dogs"]


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_a_script_for_each_shell(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = script(shell, capsys)
    assert "crop-margin" in made
    (tmp_path / "script").write_text(made)
    if shell in ("bash", "zsh", "fish") and shutil.which(shell):
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def test_without_the_library_a_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main.main(["completion", "bash"]) == 1
    assert capsys.readouterr().err == "tuft: Completion needs shtab: pip install 'tuft-matting[completion]'.\n"
