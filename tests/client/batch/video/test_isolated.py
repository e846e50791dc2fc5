"""Videos read in processes of their own: the same pixels, times and sound; attacks end there."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support import videos
from support.outputs import files
from support.videos import Video

from tuft import Client, FakeTransport, Settings, video
from tuft.batch.video import isolated, messages
from tuft.batch.video.isolated import IsolatedReader
from tuft.batch.video.reading import examine, read_frames
from tuft.errors import ImageNotFoundError, ImageTooLargeError, NotAnImageError, SetupError, TruncatedImageError
from tuft.imaging import MAX_PIXELS
from tuft.imaging.sandbox import process

OPTIONS: Any = {"size": 384, "refine": "none", "isolated": True}


def children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "tuft.batch.video.worker" in each.cmdline()]


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("variable.mkv", Video((0, 33, 70, 160, 200), codec="ffv1", pixel_format="bgr0")),
        ("turned.mp4", Video((0, 40, 80), rotation=90, colours=(1, 2, 1, 1))),
        ("translucent.mov", Video((0, 40), codec="prores_ks", pixel_format="yuva444p10le", sound=None)),
    ],
)
def test_it_reads_what_this_process_reads(tmp_path: Path, name: str, made: Video) -> None:
    path = made.write(tmp_path / name)
    reader, here = IsolatedReader(), examine(path)
    assert reader.examine(path, max_pixels=MAX_PIXELS) == here
    for skip in (0, 2):
        for theirs, ours in zip(reader.frames(here, skip=skip), read_frames(here, skip=skip), strict=True):
            assert (theirs.index, theirs.time, theirs.duration) == (ours.index, ours.time, ours.duration)
            assert np.array_equal(theirs.pixels, ours.pixels)
    assert children() == []


@pytest.mark.parametrize("layout", ["mono", "5.1(side)"])
def test_sound_stays_in_step_and_is_encoded_anew(tmp_path: Path, video_client: Client, layout: str) -> None:
    source = Video(sound="ac3", layout=layout, start_ms=200).write(tmp_path / "clip.mkv")
    for target, apart in (("apart.mkv", True), ("here.mkv", False)):
        options = {**OPTIONS, "isolated": apart}
        assert video.convert(source, tmp_path / target, client=video_client, **options).sound is True
    apart_s, here_s = (videos.tone_extent_s(tmp_path / target) for target in ("apart.mkv", "here.mkv"))
    assert apart_s == pytest.approx(here_s, abs=0.04)


def test_the_settings_decide(network: FakeTransport, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = isolated._Worker.ask

    def noted(worker: Any, request: dict[str, Any]) -> None:
        asked.append(request["ask"])
        ask(worker, request)

    monkeypatch.setattr(isolated._Worker, "ask", noted)
    with Client(transport=network, settings=Settings(isolate_decoding=True)) as client:
        assert len(list(video.remove(clip, client=client, size=384, refine="none"))) == 10
    assert asked == ["examine", "frames"]


def test_another_video_behind_is_read_apart_too(tmp_path: Path, video_client: Client, clip: Path) -> None:
    video.convert(clip, tmp_path / "out.mp4", client=video_client, background=clip, **OPTIONS)
    assert len(list(read_frames(examine(tmp_path / "out.mp4")))) == 10
    assert children() == []


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"no video" * 9, NotAnImageError, "clip.mp4 is no video that tuft reads"),
        (b"", TruncatedImageError, "clip.mp4 is empty"),
        (None, ImageNotFoundError, "There is no file"),
    ],
)
def test_errors_are_those_of_this_process(tmp_path: Path, content: bytes | None, kind: Any, words: str) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(kind, match=words) as apart:
        IsolatedReader().examine(path, max_pixels=MAX_PIXELS)
    with pytest.raises(kind) as here:
        examine(path)
    assert str(apart.value) == str(here.value)


def test_a_decoder_that_crashes_ends_its_own_video(tmp_path: Path, video_client: Client) -> None:
    frames = [np.random.default_rng(1).integers(0, 255, (480, 640, 3), dtype=np.uint8)] * 40  # more than the pipe holds
    source = Video(range(0, 1600, 40), (480, 640), frames=frames, sound=None).write(tmp_path / "clip.mp4")

    def crash(done: int, _total: int) -> None:
        if done == 1:
            os.kill(children()[0].pid, signal.SIGSEGV)

    with pytest.raises(TruncatedImageError, match=r"is so damaged that its decoder crashes \(SIGSEGV\)"):
        video.convert(source, tmp_path / "out.webm", client=video_client, on_progress=crash, concurrency=1, **OPTIONS)
    assert files(tmp_path) == ["clip.mp4"]


def test_one_that_hangs_is_killed(clip: Path) -> None:
    worker = isolated._Worker(clip, isolated.MEMORY_BYTES, 1.0)
    os.kill(worker._process.pid, signal.SIGSTOP)
    try:
        worker.ask({"ask": "examine", "max_pixels": MAX_PIXELS})
        with pytest.raises(ImageTooLargeError, match="takes more than the 1 s allowed to decode"):
            worker.answer()
    finally:
        worker.kill()
    assert children() == []


def test_memory_is_bounded(tmp_path: Path) -> None:
    large = [np.zeros((2160, 3840, 3), np.uint8)]
    path = Video((0,), (2160, 3840), frames=large, sound=None).write(tmp_path / "clip.mp4")
    with pytest.raises((ImageTooLargeError, TruncatedImageError), match=r"clip\.mp4"):
        list(IsolatedReader(memory_bytes=2**20).frames(examine(path)))


def nonsense(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "size_hw": [48, 64], "time_base": "1/1000", "origin": 0, "frames": 10, "end": 400, "rate": "25",
        "pixel_aspect": "1", "has_alpha": False, "has_sound": True, "turn": {"quarters": 0, "mirrored": False},
        "colours": {"matrix": 1, "range": 1, "primaries": 1, "transfer": 1},
    }  # fmt: skip
    return {**values, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"size_hw": [48, 0]},
        {"size_hw": [4000, 4000]},
        {"size_hw": [48]},
        {"time_base": "0"},
        {"time_base": "1/0"},
        {"rate": "-25"},
        {"frames": -1},
        {"end": "400"},
        {"colours": {"matrix": 999}},
        {"turn": {"quarters": 7, "mirrored": False}},
        {"origin": 1e99},
    ],
)
def test_answers_without_sense_are_refused(changes: dict[str, Any]) -> None:
    assert messages.clip_from_dict(Path("clip.mp4"), nonsense(), 4096).size_hw == (48, 64)
    with pytest.raises(isolated._NONSENSE):
        messages.clip_from_dict(Path("clip.mp4"), nonsense(**changes), 4096)


def test_a_process_that_does_not_start_is_told(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "worker_environment", lambda: {"PYTHONPATH": "", "PYTHONHOME": "/nowhere"})
    with pytest.raises(SetupError, match="The process that decodes does not start"):
        IsolatedReader().examine(clip, max_pixels=MAX_PIXELS)
