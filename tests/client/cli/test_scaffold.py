"""Exit codes and messages that all command lines share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from tuft.cli.scaffold import run
from tuft.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable


def parser(command: Callable[[], int]) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="tuft-anything")
    made.set_defaults(run=lambda _: command())
    return made


def failing(error: BaseException) -> argparse.ArgumentParser:
    def command() -> int:
        raise error

    return parser(command)


@pytest.mark.parametrize("code", [0, 1, 7])
def test_the_exit_code_is_the_commands(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(parser(lambda: code), []) == code
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted."),
        (SetupError("Nothing is\ninstalled."), 1, "Nothing is installed."),
        (OSError(30, "Read-only file system", "/srv/out"), 1,
         "/srv/out cannot be used (Read-only file system): check the path, its permissions and its disk."),
        (OSError(36, "File name too long", "data:" + "A" * 3000), 1,
         f"data:{'A' * 128} … {'A' * 50} cannot be used (File name too long): check the path, its permissions and its "
         "disk."),
        (ZeroDivisionError("by zero"), 1, "unexpected ZeroDivisionError (by zero): set TUFT_DEBUG=1 to see where, "
         "and report it."),
    ],
)  # fmt: skip
def test_a_failure_is_one_line_with_the_programs_name(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(failing(error), []) == code
    assert capsys.readouterr() == ("", f"tuft-anything: {line}\n")


def test_a_program_may_describe_errors_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(failing(OSError("full")), [], describe=lambda error: f"{error}: make room.") == 1
    assert capsys.readouterr().err == "tuft-anything: full: make room.\n"


def test_wrong_usage_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(parser(lambda: 0), ["unknown"])
    assert "usage: tuft-anything" in capsys.readouterr().err
