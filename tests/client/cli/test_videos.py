"""`tuft remove` of videos."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import videos
from support.outputs import files
from support.videos import Video, left_edge

from tuft import FakeTransport
from tuft.batch.video import jobs
from tuft.batch.video.reading import examine, read_frames
from tuft.cli import main
from tuft.errors import ServerTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def remove(*arguments: object) -> int:
    return main.main(["remove", "--size", "384", "--refine", "none", *map(str, arguments)])


@pytest.fixture
def fake() -> FakeTransport:
    return FakeTransport(videos.saliency)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return Video().write(tmp_path / "clip.mp4")


def alphas(path: Path) -> list[Any]:
    return [frame.pixels[..., 3] for frame in read_frames(examine(path))]


def test_a_video_becomes_a_video(
    server: FakeTransport, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remove(clip, "-o", tmp_path / "out.webm") == 0
    assert capsys.readouterr().out == f"10 frames cut out into {tmp_path / 'out.webm'}\n"
    for index, alpha in enumerate(alphas(tmp_path / "out.webm")):
        assert alpha[24, left_edge(index) + 8] > 240
        assert alpha[2, 2] < 8
    assert videos.tone_extent_s(tmp_path / "out.webm")[1] == pytest.approx(0.4, abs=0.04)


def test_where_it_goes(server: FakeTransport, clip: Path, tmp_path: Path) -> None:
    other = Video((0, 40)).write(tmp_path / "other.MOV")
    assert remove(clip) == 0
    assert remove(clip, other, "-o", tmp_path / "out", "--format", "mkv") == 0
    assert remove(other, "-o", tmp_path / "frames", "--format", "frames") == 0
    assert remove(other, "-o", f"{tmp_path}/mattes/", "--output-type", "mask", "--format", "mp4") == 0
    assert files(tmp_path) == sorted(
        [
            *("clip.mp4", "other.MOV", "clip-cutout.webm", "out/clip.mkv", "out/other.mkv", "mattes/other.mp4"),
            *(f"frames/{name}" for name in ("000001.png", "000002.png", "frames.ffconcat", "sound.mka")),
        ]
    )


def test_the_options_of_a_cutout_apply_to_every_frame(server: FakeTransport, clip: Path, tmp_path: Path) -> None:
    assert remove(clip, "-o", tmp_path / "out.mkv", "--threshold", "0.5") == 0
    assert all(set(np.unique(alpha)) == {0, 255} for alpha in alphas(tmp_path / "out.mkv"))


def test_from_the_standard_input(
    server: FakeTransport, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(clip.read_bytes())))
    assert remove("-", "-o", tmp_path / "out.webm") == 0
    assert len(alphas(tmp_path / "out.webm")) == 10


def test_an_animation_becomes_a_video(server: FakeTransport, tmp_path: Path) -> None:
    from tuft.imaging.animation import encode_animation

    frames = [videos.picture(index, (48, 64)) for index in range(3)]
    (tmp_path / "walk.gif").write_bytes(encode_animation(frames, [40, 80, 120], "gif"))
    assert remove(tmp_path / "walk.gif", "-o", tmp_path / "out.webm") == 0
    clip = examine(tmp_path / "out.webm")
    assert [float(frame.time * clip.time_base) for frame in read_frames(clip)] == pytest.approx([0, 0.04, 0.12])


def test_one_that_fails_does_not_stop_the_others(
    server: FakeTransport, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"")
    assert remove(tmp_path / "bad.mp4", clip, "-o", tmp_path / "out") == 1
    assert f"{tmp_path / 'bad.mp4'} is empty: get it anew.\n" in capsys.readouterr().err
    assert files(tmp_path / "out") == ["clip.webm"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["CLIP", "-o", "OUT.mp4"], "MP4 has no transparency"),
        (["CLIP", "-o", "OUT.webm", "--crop"], "--crop is not for videos"),
        (["CLIP", "-o", "OUT.webm", "--report"], "--report is not for videos"),
        (["CLIP", "-o", "OUT.txt"], "tuft writes no videos as"),
        (["CLIP", "-o", "-"], "A video is written to a file"),
        (["CLIP", "https://example.com/clip.mp4"], "A video is not fetched from the web"),
        (["CLIP", "FOLDER"], "is a folder: give the videos in it by name"),
        (["CLIP", "CLIP", "-o", "OUT/"], "would become the same file"),
        (["DOG", "--fast"], "--fast is for videos"),
        (["DOG", "-o", "OUT.webm"], "is no video that tuft reads"),
        (["MISSING.mp4"], "There is no file"),
    ],
)
def test_what_does_not_go_together_is_told(
    server: FakeTransport,
    clip: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    asked: list[str],
    words: str,
) -> None:
    known = {"CLIP": str(clip), "FOLDER": str(photos), "DOG": str(photos / "dog.png")}
    before = files(tmp_path)
    given = [known.get(each, each.replace("OUT", str(tmp_path / "out"))) for each in asked]
    assert remove(*given) == 1
    assert words in capsys.readouterr().err
    assert files(tmp_path) == before


def test_an_interrupted_video_goes_on(
    server: FakeTransport,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(jobs, "SEGMENT_FRAMES", 2)
    infer: Callable[..., Any] = server.infer

    def failing(*arguments: Any, **options: Any) -> Any:
        if len(server.requests) == 8:
            raise ServerTimeoutError("The server did not answer: try again.")
        return infer(*arguments, **options)

    monkeypatch.setattr(server, "infer", failing)
    out = tmp_path / "out.webm"
    assert remove(clip, "-o", out, "--concurrency", "1") == 1
    told = capsys.readouterr().err
    assert "run the same again with --resume to go on" in told
    assert not out.exists()
    monkeypatch.setattr(server, "infer", infer)
    assert remove(clip, "-o", out, "--concurrency", "1", "--resume") == 0
    assert "by an earlier run" in capsys.readouterr().out
    assert len(alphas(out)) == 10
    assert files(tmp_path) == ["clip.mp4", "out.webm"]


def test_without_pyav_it_says_what_to_install(clip: Path, tmp_path: Path) -> None:
    code = f"""
        import sys
        sys.modules["av"] = None
        from tuft.cli.main import main
        sys.exit(main(["remove", {str(clip)!r}, "-o", {str(tmp_path / "out.webm")!r}, "--url", "localhost:1"]))
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'tuft-matting[video]'" in done.stderr
