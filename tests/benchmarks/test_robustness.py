from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import robustness
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def folder_of_pictures(folder: Path) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    (folder / "within").mkdir()
    Image.fromarray(noise).save(folder / "good.png")
    Image.fromarray(noise).save(folder / "within" / "good.JPG", "JPEG")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:500])
    (folder / "text.webp").write_text("no picture")
    (folder / "notes.txt").write_text("not looked at")


def test_every_picture_below_a_folder_is_counted_and_each_refusal_is_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder_of_pictures(tmp_path)
    for options, end in ((["--no-network"], "read"), ([], "cut out")):
        assert robustness.main([*options, str(tmp_path)]) == 0
        printed = capsys.readouterr()
        data = json.loads(printed.out)
        assert (data["files"], data["refused"], data["defects"]) == (4, 2, 0)
        assert data["outcomes"] == {end: 2, "TruncatedImageError": 1, "NotAnImageError": 1}
        assert data["by suffix"][".jpg"] == {end: 1}
        lines = printed.err.splitlines()
        assert [line.split(" ")[:2] for line in lines] == [
            ["TruncatedImageError:", str(tmp_path / "cut.png")],
            ["NotAnImageError:", str(tmp_path / "text.webp")],
        ]


def test_files_of_any_suffix_on_request_and_a_single_file(tmp_path: Path) -> None:
    folder_of_pictures(tmp_path)
    assert len(list(robustness.pictures(tmp_path, every_file=True))) == 5
    assert list(robustness.pictures(tmp_path / "good.png")) == [tmp_path / "good.png"]


def test_a_defect_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of_pictures(tmp_path)

    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(robustness, "load_photo", broken)
    assert robustness.main(["--no-network", str(tmp_path)]) == 1
