"""`tuft batch` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from support.buckets import BROKEN, table

from tuft import FakeTransport
from tuft.cli import main


def test_it_says_what_was_done_and_what_failed(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.jpg").write_bytes(BROKEN)
    output = tmp_path / "out"
    command = ["batch", str(photos), str(output), "--size", "384", "--crop", "--format", "webp"]
    assert main.main(command) == 1
    said = capsys.readouterr().out
    assert said == f"2 of 3 photographs cut out, the table is {output}/results.parquet; 1 failed: 1 NotAnImageError\n"
    rows = {row["input"]: row for row in table(output)}
    assert {key: row["output"] for key, row in rows.items()} == {
        "dog.png": "dog.png.webp", "cats/tom.tiff": "cats/tom.tiff.webp", "broken.jpg": None
    }  # fmt: skip
    with Image.open(output / "dog.png.webp") as found:
        assert found.size < (160, 120)
    (photos / "broken.jpg").unlink()
    assert main.main(command) == 1
    assert capsys.readouterr().out.endswith("; 3 by an earlier run\n")
    assert main.main([*command, "--again"]) == 0
    assert capsys.readouterr().out == f"2 of 2 photographs cut out, the table is {output}/results.parquet\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "2"], "--workers is for Ray: add --engine ray, or leave it out."),
        (["--format", "jpeg"], "JPEG has no transparency: choose png or webp, or give an opaque background."),
        (["--shadow-opacity", "5"], "--shadow-opacity needs a shadow"),
        (["--column", "path"], "is no table: leave out the columns, or give a .parquet or .csv file."),
        (["--engine", "ray", "--worker-cpus", "0"], "There are no 0.0 worker cpus: give more than zero."),
    ],
)
def test_options_that_do_not_fit_are_said_before_any_work(
    server: FakeTransport,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    assert main.main(["batch", str(photos), str(tmp_path / "out"), *options]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out" / "results.parquet").exists()


def test_a_missing_folder_is_said(server: FakeTransport, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["batch", str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 1
    assert "There is no file or folder" in capsys.readouterr().err


def test_results_of_something_else_are_not_overwritten(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.parquet").write_bytes(b"of another program")
    assert main.main(["batch", str(photos), str(tmp_path)]) == 1
    assert "has a results.parquet that no batch has written: give another output." in capsys.readouterr().err
    assert (tmp_path / "results.parquet").read_bytes() == b"of another program"
