"""`tuft remove --all-frames`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tuft.cli import main
from tuft.imaging import load_frames
from tuft.imaging.animation import encode_animation

if TYPE_CHECKING:
    from pathlib import Path

    from tuft import FakeTransport


def remove(*arguments: object) -> int:
    return main.main(["remove", "--size", "384", "--refine", "none", *map(str, arguments)])


@pytest.fixture
def moving(photos: Path, tmp_path: Path) -> Path:
    """A folder of a GIF and a WebP of two frames, and a photograph."""
    folder = tmp_path / "moving"
    folder.mkdir()
    with Image.open(photos / "dog.png") as image:
        frame = np.asarray(image.convert("RGB"))
    for format in ("gif", "webp"):
        data = encode_animation([frame, frame // 2], (80, 120), format, plays=3)
        (folder / f"walk-{format}.{format}").write_bytes(data)
    Image.fromarray(frame).save(folder / "still.png")
    return folder


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_the_suffix_decides(server: FakeTransport, moving: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    assert remove(moving / "walk-gif.gif", "-o", out, "--all-frames") == 0
    with Image.open(out) as image:
        assert image.format == suffix[1:].upper()
    frames = load_frames(out)
    assert (frames.durations_ms, frames.plays) == ((80, 120), 3)
    assert all(photo.alpha is not None for photo in frames.photos)


@pytest.mark.parametrize("format", [None, "png", "gif"])
def test_a_folder(server: FakeTransport, moving: Path, tmp_path: Path, format: str | None) -> None:
    asked = [] if format is None else ["--format", format]
    assert remove(moving, "-o", tmp_path / "out", "--all-frames", *asked) == 0
    suffix = format or "webp"
    found = {path.name: len(load_frames(path).photos) for path in (tmp_path / "out").glob(f"*.{suffix}")}
    assert found == {f"walk-gif.{suffix}": 2, f"walk-webp.{suffix}": 2, f"still.{suffix}": 1}
    assert len(server.requests) == 5
    assert remove(moving, "-o", tmp_path / "out", "--all-frames", *asked) == 0
    assert len(server.requests) == 5  # done by the earlier run


def test_by_default_the_first_frame_is_cut_out(server: FakeTransport, moving: Path, tmp_path: Path) -> None:
    assert remove(moving / "walk-gif.gif", "-o", tmp_path / "out.png") == 0
    assert len(load_frames(tmp_path / "out.png").photos) == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["-o", "OUT.jpg", "--all-frames"], "jpeg has no animations: choose one of webp, png, gif"),
        (["-o", "OUT.zip", "--all-frames"], "zip has no animations"),
        (["-o", "OUT.webp", "--all-frames", "--crop"], "--crop is for single pictures"),
        (["-o", "OUT.webp", "--all-frames", "--scale", "50%"], "--scale is for single pictures"),
        (["-o", "OUT.webp", "--all-frames", "--keep-metadata"], "--keep-metadata is for single pictures"),
        (["-o", "OUT.webp", "--all-frames", "--report"], "--report is for single pictures"),
        (["-o", "OUT.gif"], "tuft writes no .gif"),
    ],
)
def test_what_does_not_go_together_is_told(
    server: FakeTransport,
    moving: Path,
    tmp_path: Path,
    asked: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [text.replace("OUT", str(tmp_path / "out")) for text in asked]
    assert remove(moving / "walk-gif.gif", *arguments) == 1
    assert words in capsys.readouterr().err
    assert server.requests == []
    assert not list(tmp_path.glob("out*"))


def test_a_gif_that_does_not_move_is_wrong_usage(moving: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        remove(moving, "--format", "gif")
    assert caught.value.code == 2
    assert "choose png or webp, or add --all-frames" in capsys.readouterr().err
