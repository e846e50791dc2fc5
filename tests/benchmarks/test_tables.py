from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import tables

PAGE = """\
Before.

<!-- table: scaling -->

whatever was here

<!-- end -->

After.
"""


def test_the_readme_shows_what_the_results_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tables.py", "--check"])
    assert tables.main() == 0, capsys.readouterr().err


def test_a_table_is_made_of_the_numbers(tmp_path: Path) -> None:
    rows = [{"axis": "size", "contestant": "mine", "x": 96.0, "seconds": 1.5, "peak_bytes": 2e9}]
    data = {"machine": "a machine", "load": 0.1, "weights": "demo", "batch_size_px": 96, "rows": rows, "fits": []}
    (tmp_path / "scaling.json").write_text(json.dumps(data))
    page = tables.with_tables(PAGE, tmp_path)
    assert "| 96 | 1.5 | 2.00 |" in page
    assert page.startswith("Before.\n\n<!-- table: scaling -->\n\na machine")
    assert page.endswith("<!-- end -->\n\nAfter.\n")
    assert "whatever" not in page
    assert tables.with_tables(page, tmp_path) == page


def test_a_figure_is_one_number_of_the_results(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text(json.dumps({"passes": {"384": {"iou": [0, 0.9049]}}, "whole": 36}))
    page = "IoU <!-- figure: demo passes.384.iou.1 .2f -->?<!-- end -->, <!-- figure: demo whole d --><!-- end -->."
    written = tables.with_tables(page, tmp_path)
    assert re.sub("<!--.*?-->", "", written) == "IoU 0.90, 36."
    assert tables.with_tables(written, tmp_path) == written
    (tmp_path / "demo.json").write_text(json.dumps({"passes": {"384": {"iou": [0, 0.9]}}, "whole": None}))
    assert "not judged<!-- end -->." in tables.with_tables(written, tmp_path)
    with pytest.raises(KeyError):
        tables.with_tables(page.replace("384", "512"), tmp_path)


def test_what_was_not_measured_says_how(tmp_path: Path) -> None:
    assert "Not measured yet: `python benchmarks/scaling.py --json" in tables.with_tables(PAGE, tmp_path)


def test_changed_numbers_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scaling.py").write_text("")
    (tmp_path / "README.md").write_text(PAGE)
    monkeypatch.setattr(tables, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["tables.py", "--check"])
    assert tables.main() == 1
    assert "run `python benchmarks/tables.py`" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == PAGE
    monkeypatch.setattr(sys, "argv", ["tables.py"])
    assert tables.main() == 0
    monkeypatch.setattr(sys, "argv", ["tables.py", "--check"])
    assert tables.main() == 0


@pytest.mark.parametrize(
    ("page", "fault"),
    [(PAGE.replace("<!-- end -->", ""), "not closed"), (PAGE.replace("scaling", "scalling"), "no benchmark scalling")],
)
def test_a_wrong_mark_is_refused(page: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=fault):
        tables.with_tables(page, tmp_path)
