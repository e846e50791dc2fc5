"""Whole videos: every format, with times, alpha and sound; interrupted and resumed runs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from support import videos
from support.outputs import files
from support.videos import BACKGROUND, SUBJECT, Video, left_edge

from tuft import Client, FakeTransport, video
from tuft.batch.video import jobs
from tuft.batch.video.reading import examine, read_frames
from tuft.batch.video.writing import with_colours_around
from tuft.errors import (
    NoSubjectError,
    OptionError,
    OutputError,
    RequestCancelledError,
    ServerTimeoutError,
    TruncatedImageError,
)
from tuft.imaging import load_frames
from tuft.inference.resilience import CancelToken

VARIABLE_MS = (0, 33, 70, 160, 200, 201, 300, 340, 380, 500)
OPTIONS: Any = {"size": 384, "refine": "none"}
LOSSY = 14  # levels


def convert(source: Path, target: Path, client: Client, **options: Any) -> video.VideoReport:
    return video.convert(source, target, client=client, **{**OPTIONS, **options})


def frames_of(path: Path) -> list[tuple[float, Any]]:
    clip = examine(path)
    return [(float(frame.time * clip.time_base), frame.pixels) for frame in read_frames(clip)]


@pytest.mark.parametrize("name", ["out.webm", "out.mov", "out.mkv"])
@pytest.mark.parametrize("size_hw", [(48, 64), (47, 63)])
def test_alpha_times_and_sound_are_kept(
    tmp_path: Path, video_client: Client, name: str, size_hw: tuple[int, int]
) -> None:
    source = Video(VARIABLE_MS, size_hw, codec="ffv1", pixel_format="bgr0").write(tmp_path / "clip.mkv")
    report = convert(source, tmp_path / name, video_client)
    assert (report.frames, report.subjects, report.sound) == (10, 10, True)
    frames = frames_of(tmp_path / name)
    assert [time for time, _ in frames] == pytest.approx([each / 1000 for each in VARIABLE_MS], abs=0.0006)
    for index, (_, pixels) in enumerate(frames):
        left = left_edge(index)
        assert pixels.shape == (*size_hw, 4)
        inside = pixels[size_hw[0] // 2, left + 8]
        assert np.abs(inside[:3].astype(int) - SUBJECT).max() <= LOSSY
        assert inside[3] > 240
        assert pixels[2, 2, 3] < 8
    assert videos.tone_extent_s(tmp_path / name) == pytest.approx((0, 0.54), abs=0.04)
    assert files(tmp_path) == sorted(["clip.mkv", name])


def test_mp4_takes_a_background_and_keeps_matrix_and_range(tmp_path: Path, video_client: Client) -> None:
    source = Video(colours=(5, 2, 1, 1)).write(tmp_path / "clip.mp4")
    convert(source, tmp_path / "out.mp4", video_client, background="#00ff00")
    clip = examine(tmp_path / "out.mp4")
    assert (clip.colours.matrix, clip.colours.range) == (5, 2)
    for index, (_, pixels) in enumerate(frames_of(tmp_path / "out.mp4")):
        assert np.abs(pixels[24, left_edge(index) + 8].astype(int) - SUBJECT).max() <= LOSSY
        assert np.abs(pixels[2, 2].astype(int) - (0, 255, 0)).max() <= LOSSY


def test_another_video_behind_begins_anew_when_it_ends(tmp_path: Path, video_client: Client, clip: Path) -> None:
    colours = [(250, 250, 0), (0, 250, 250)]
    frames = [np.full((48, 64, 3), colour, np.uint8) for colour in colours]
    behind = Video((0, 100), frames=frames, sound=None, codec="ffv1", pixel_format="bgr0").write(
        tmp_path / "behind.mkv"
    )
    convert(clip, tmp_path / "out.mkv", video_client, background=behind)
    shown = [pixels[2, 2, :3].tolist() for _, pixels in frames_of(tmp_path / "out.mkv")]
    round_s = float(examine(behind).end) / 1000
    expected = [list(colours[int((index * 0.04) % round_s >= 0.1)]) for index in range(10)]
    assert shown == expected


def test_stacked_has_the_matte_below_the_colours(tmp_path: Path, video_client: Client) -> None:
    source = Video(size_hw=(47, 63), codec="ffv1", pixel_format="bgr0").write(tmp_path / "clip.mkv")
    convert(source, tmp_path / "out.stacked.mp4", video_client)
    for index, (_, pixels) in enumerate(frames_of(tmp_path / "out.stacked.mp4")):
        assert pixels.shape == (96, 64, 3)
        column = left_edge(index) + 8
        assert np.abs(pixels[23, column].astype(int) - SUBJECT).max() <= LOSSY
        assert pixels[48 + 23, column].min() > 240
        assert pixels[48 + 2, 2].max() < 12


def test_invisible_pixels_continue_the_subjects_colours() -> None:
    rgba = np.zeros((40, 60, 4), np.uint8)
    rgba[10:30, 10:30] = (200, 100, 50, 255)
    continued = with_colours_around(rgba)
    assert np.abs(continued[..., :3].astype(int) - (200, 100, 50)).max() <= 1
    assert np.array_equal(continued[..., 3], rgba[..., 3])


@pytest.mark.parametrize("name", ["out.png", "out.webp", "out.gif"])
def test_animations_have_every_frame_as_long_as_it_was(tmp_path: Path, video_client: Client, name: str) -> None:
    times = [each - each % 10 for each in VARIABLE_MS if each != 201]
    source = Video(times, sound_s=0.54, codec="ffv1", pixel_format="bgr0").write(tmp_path / "clip.mkv")
    report = convert(source, tmp_path / name, video_client)
    assert report.sound is False
    with Image.open(tmp_path / name) as image:
        assert image.info["loop"] == 0
        durations = []
        for index in range(image.n_frames):
            image.seek(index)
            image.load()
            durations.append(image.info["duration"])
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
            assert alpha[24, left_edge(index) + 8] == 255
            assert alpha[2, 2] == 0
    assert durations[:-1] == np.diff(times).tolist()
    assert durations[-1] == pytest.approx(40, abs=1)


def test_a_folder_of_pngs_with_times_and_sound(tmp_path: Path, video_client: Client, clip: Path) -> None:
    convert(clip, tmp_path / "frames", video_client, format="frames")
    names = [f"{number:06d}.png" for number in range(1, 11)]
    assert sorted(each.name for each in (tmp_path / "frames").iterdir()) == [*names, "frames.ffconcat", "sound.mka"]
    with Image.open(tmp_path / "frames" / names[3]) as image:
        assert image.mode == "RGBA"
        assert np.asarray(image)[24, left_edge(3) + 8, 3] > 240
    lines = (tmp_path / "frames" / "frames.ffconcat").read_text().splitlines()
    assert lines[:3] == ["ffconcat version 1.0", "file 000001.png", "duration 0.040000"]
    assert videos.tone_extent_s(tmp_path / "frames" / "sound.mka")[1] == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize("name", ["out.webm", "out.mov", "out.mkv"])
@pytest.mark.parametrize("layout", ["mono", "5.1(side)"])
def test_channels_are_kept(tmp_path: Path, video_client: Client, name: str, layout: str) -> None:
    source = Video(sound="ac3", layout=layout).write(tmp_path / "clip.mkv")
    convert(source, tmp_path / name, video_client)
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.audio[0].codec_context.layout.nb_channels == {"mono": 1}.get(layout, 6)


def test_sound_that_starts_late_in_the_file_stays_in_step(tmp_path: Path, video_client: Client) -> None:
    source = Video(codec="mpeg2video", sound="mp2", start_ms=6000, time_base=videos.AT_25).write(tmp_path / "clip.ts")
    begin_s = videos.tone_extent_s(source)[0]
    with av.open(str(source)) as container:
        first_s = next(iter(container.decode(video=0))).time
    convert(source, tmp_path / "out.webm", video_client)
    frames = frames_of(tmp_path / "out.webm")
    assert len(frames) == 10
    assert first_s is not None
    now_s = videos.tone_extent_s(tmp_path / "out.webm")[0]
    assert (now_s - frames[0][0]) == pytest.approx(begin_s - first_s, abs=0.04)


@pytest.mark.parametrize("name", ["out.webm", "out.mkv", "out.mov"])
def test_an_edit_list_leaves_sound_and_frames_in_step(tmp_path: Path, video_client: Client, name: str) -> None:
    quiet = [videos.picture(index, (48, 64)) for index in range(10)]
    source = videos.with_edit_list(Video(frames=quiet).write(tmp_path / "clip.mp4"), tmp_path / "edited.mp4", 120)
    convert(source, tmp_path / name, video_client)
    frames = frames_of(tmp_path / name)
    assert [time for time, _ in frames] == pytest.approx([index * 0.04 for index in range(7)], abs=0.001)
    assert frames[0][1][24, left_edge(3) + 8, 3] > 240
    assert frames[0][1][24, left_edge(3) - 3, 3] < 16
    assert videos.tone_extent_s(tmp_path / name) == pytest.approx((0, 0.28), abs=0.04)


@pytest.mark.parametrize("sound_s", [0.2, 1.5])
def test_sound_may_end_before_the_frames_or_after(tmp_path: Path, video_client: Client, sound_s: float) -> None:
    source = Video(sound_s=sound_s).write(tmp_path / "clip.mp4")
    convert(source, tmp_path / "out.webm", video_client)
    assert len(frames_of(tmp_path / "out.webm")) == 10
    assert videos.tone_extent_s(tmp_path / "out.webm") == pytest.approx((0, sound_s), abs=0.04)


def test_no_sound_and_one_frame(tmp_path: Path, video_client: Client) -> None:
    source = Video((0,), sound=None).write(tmp_path / "clip.mp4")
    assert convert(source, tmp_path / "out.webm", video_client).sound is None
    assert len(frames_of(tmp_path / "out.webm")) == 1


def test_frames_without_a_subject_are_transparent(tmp_path: Path, video_client: Client) -> None:
    frames = [videos.picture(index, (48, 64)) for index in range(10)]
    frames[6:] = [np.full((48, 64, 3), BACKGROUND, np.uint8)] * 4
    source = Video(frames=frames).write(tmp_path / "clip.mp4")
    report = convert(source, tmp_path / "out.mkv", video_client)
    assert report.subjects == 6
    alphas = [int(pixels[..., 3].max()) for _, pixels in frames_of(tmp_path / "out.mkv")]
    assert min(alphas[:6]) > 240
    assert max(alphas[6:]) < 4


def test_a_video_without_any_subject_is_told(tmp_path: Path, video_client: Client) -> None:
    frames = [np.full((48, 64, 3), BACKGROUND, np.uint8)] * 3
    source = Video((0, 40, 80), frames=frames).write(tmp_path / "clip.mp4")
    with pytest.raises(NoSubjectError, match="Nothing stands out in any frame"):
        convert(source, tmp_path / "out.webm", video_client)
    assert files(tmp_path) == ["clip.mp4"]


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("out.mp4", {}, OptionError, "MP4 has no transparency: choose .webm"),
        ("out.mp4", {"background": "#ff000080"}, OptionError, "MP4 has no transparency"),
        ("out.xyz", {}, OptionError, "tuft writes no videos as out.xyz"),
        ("out.webm", {"background": "no-such-colour"}, OptionError, "There is no colour"),
        ("out.webm", {"background": "red", "output_type": "mask"}, OptionError, "A background goes behind"),
        ("stacked.mp4", {"background": "red"}, OptionError, "stacked shows colours and their matte"),
        ("out.webm", {"change": lambda cutout: cutout.cropped()}, OptionError, "need one size"),
        ("clip.mp4", {"background": "red"}, OptionError, "would replace the video that it is made of"),
        ("missing/out.webm", {}, OutputError, "There is no folder"),
        ("", {"format": "webm"}, OutputError, "is a folder"),
        ("", {"format": "frames"}, OutputError, "has files already"),
    ],
)
def test_what_does_not_go_together_is_told(
    tmp_path: Path, video_client: Client, name: str, options: Any, error: type[Exception], words: str
) -> None:
    frames = [videos.picture(index, (48, 64), side=16 + 2 * index) for index in range(3)]
    source = Video((0, 40, 80), frames=frames).write(tmp_path / "clip.mp4")
    with pytest.raises(error, match=words):
        convert(source, tmp_path / name, video_client, **options)
    assert files(tmp_path) == ["clip.mp4"]


def test_damage_in_the_middle_leaves_nothing(tmp_path: Path, video_client: Client) -> None:
    source = Video(codec="png", pixel_format="rgb24", sound=None).write(tmp_path / "clip.mov")
    with av.open(str(source)) as container:
        place = [packet.pos for packet in container.demux(video=0)][7]
    data = bytearray(source.read_bytes())
    data[place + 20 : place + 60] = bytes(40)
    source.write_bytes(data)
    (tmp_path / "out.webm").write_bytes(b"an older file")
    with pytest.raises(TruncatedImageError, match=r"is damaged or ends early at 0\.24 s"):
        convert(source, tmp_path / "out.webm", video_client)
    assert files(tmp_path) == ["clip.mov", "out.webm"]
    assert (tmp_path / "out.webm").read_bytes() == b"an older file"


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (10, 96, 128, 3), dtype=np.uint8)
    Video(frames=list(noise), size_hw=(96, 128), sound=None).write(tmp_path / "clip.mp4")
    code = """
        import resource, signal
        from support import videos
        from tuft import Client, FakeTransport, OutputError, video
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        network = lambda image: image[..., 0] / 255
        with Client(transport=FakeTransport(network)) as client:
            try:
                video.convert("clip.mp4", "out.mov", client=client, size=384, refine="none")
            except OutputError as error:
                print(error)
    """
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert "cannot be written (File too large): check its folder and the space left." in told.stdout
    assert sorted(each.name for each in tmp_path.iterdir()) == ["clip.mp4"]


def decoded(path: Path) -> list[tuple[float, Any]]:
    if path.suffix != ".png":
        return frames_of(path)
    return [(0.0, photo.rgb) for photo in load_frames(path).photos]


class Failing(FakeTransport):
    """Fails at one request."""

    def __init__(self, at: int) -> None:
        super().__init__(videos.saliency)
        self.left = at

    def infer(self, *arguments: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise ServerTimeoutError("The server did not answer: try again.")
        return super().infer(*arguments, **options)


@pytest.mark.parametrize("name", ["out.mkv", "out.webm", "out.png"])
@pytest.mark.parametrize("fast", [False, True])
def test_a_resumed_video_is_the_same_as_one_in_one_go(
    tmp_path: Path, network: FakeTransport, name: str, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    noise = [rng.integers(-9, 9, (48, 64, 3)) for _ in range(40)]
    moved = [videos.picture(index, (48, 64), step=1) + noise[index] for index in range(40)]
    frames = [np.clip(each, 0, 255).astype(np.uint8) for each in moved]
    times = list(range(0, 1600, 40))
    source = Video(times, frames=frames, codec="ffv1", pixel_format="bgr0").write(tmp_path / "clip.mkv")
    monkeypatch.setattr(jobs, "SEGMENT_FRAMES", 8)
    with Client(transport=network) as client:
        convert(source, tmp_path / f"whole-{name}", client, fast=fast)
    asked = len(network.requests)
    failing = Failing(at=asked - 1)
    with Client(transport=failing, fallback=False) as client, pytest.raises(ServerTimeoutError):
        convert(source, tmp_path / name, client, fast=fast, concurrency=1)
    assert not (tmp_path / name).exists()
    network = FakeTransport(videos.saliency)
    with Client(transport=network) as client:
        report = convert(source, tmp_path / name, client, fast=fast, resume=True)
    assert report.resumed > 0
    assert report.resumed % 8 == 0
    assert len(network.requests) < asked
    ours, whole = (decoded(tmp_path / each) for each in (name, f"whole-{name}"))
    assert [time for time, _ in ours] == [time for time, _ in whole]
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(ours, whole, strict=True))
    assert files(tmp_path) == sorted(["clip.mkv", name, f"whole-{name}"])


def test_only_the_same_source_and_options_are_resumed(
    tmp_path: Path, network: FakeTransport, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "SEGMENT_FRAMES", 2)
    with Client(transport=Failing(at=9), fallback=False) as client, pytest.raises(ServerTimeoutError):
        convert(clip, tmp_path / "out.webm", client, concurrency=1)
    with Client(transport=network) as client:
        report = convert(clip, tmp_path / "out.webm", client, resume=True, quality=50)
    assert report.resumed == 0


def test_cancelling_ends_it_at_once(tmp_path: Path, video_client: Client, clip: Path) -> None:
    token = CancelToken()

    def on_progress(done: int, _total: int) -> None:
        if done == 3:
            token.cancel()

    with pytest.raises(RequestCancelledError):
        convert(clip, tmp_path / "out.webm", video_client, cancel=token, on_progress=on_progress, concurrency=1)
    assert not (tmp_path / "out.webm").exists()


def test_remove_yields_times_and_cutouts(video_client: Client, clip: Path) -> None:
    found = list(video.remove(clip, client=video_client, **OPTIONS))
    assert [time for time, _ in found] == pytest.approx([index * 0.04 for index in range(10)])
    for index, (_, cutout) in enumerate(found):
        assert cutout.alpha[24, left_edge(index) + 8] > 240
        assert cutout.alpha[2, 2] == 0
        assert (cutout.model, cutout.preset) == ("inspyrenet_384", "standard")


def test_remove_can_be_left_early(network: FakeTransport, tmp_path: Path) -> None:
    source = Video(range(0, 4000, 40), sound=None).write(tmp_path / "clip.mp4")
    with Client(transport=network) as client:
        for _ in video.remove(source, client=client, **OPTIONS):
            break
    assert len(network.requests) < 40


def test_unknown_options_are_refused(clip: Path, video_client: Client) -> None:
    with pytest.raises(TypeError, match="colour"):
        next(video.remove(clip, client=video_client, colour=1))  # type: ignore[call-arg]
