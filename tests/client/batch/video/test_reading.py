"""Every kind of video is read right, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support import videos
from support.videos import AT_25, BACKGROUND, SUBJECT, Video, left_edge

from tuft.batch.video.reading import Frame, examine, read_frames
from tuft.errors import ImageNotFoundError, ImageTooLargeError, NotAnImageError, TruncatedImageError, TuftError

VARIABLE_MS = (0, 33, 70, 160, 200, 201, 300, 340, 380, 500)
COMPRESSION = 12  # levels
FINE = {"qmin": "1", "qmax": "1"}


def frames_of(path: Path) -> list[Frame]:
    return list(read_frames(examine(path)))


def times_ms(path: Path) -> list[float]:
    clip = examine(path)
    return [round(float(frame.time * clip.time_base) * 1000, 1) for frame in read_frames(clip)]


def is_close(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(np.int64(pixel[:3]) - colour).max() <= COMPRESSION)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("h264.mp4", Video()),
        ("h264_b_frames.mp4", Video(options={"bf": "3"})),
        ("no_sound.mp4", Video(sound=None)),
        ("mono.mp4", Video(layout="mono")),
        ("surround.mkv", Video(sound="ac3", layout="5.1(side)")),
        ("odd.mkv", Video(size_hw=(47, 63), codec="ffv1", pixel_format="bgr0")),
        ("ten_bit.mp4", Video(codec="libx265", pixel_format="yuv420p10le", options={"x265-params": "log-level=none"})),
        ("full_range.mp4", Video(colours=(1, 2, 1, 1))),
        ("standard_definition.mp4", Video(colours=(5, 1, 5, 6))),
        ("high_definition.mp4", Video(colours=(1, 1, 1, 1))),
        ("wide_gamut.mp4", Video(colours=(9, 1, 9, 14))),
        ("vp9.webm", Video(codec="libvpx-vp9", sound="libopus")),
        ("quicktime.mov", Video(codec="prores_ks", pixel_format="yuv422p10le", sound="pcm_s16le")),
        ("broadcast.ts", Video(codec="mpeg2video", sound="mp2", time_base=AT_25)),
        (
            "old.avi",
            Video(
                codec="mjpeg", pixel_format="yuvj420p", sound=None, time_base=AT_25, options={"qmin": "1", "qmax": "1"}
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_frame_at_its_time_in_its_colours(tmp_path: Path, name: str, made: Video) -> None:
    path = made.write(tmp_path / name)
    frames = frames_of(path)
    times = times_ms(path)
    assert np.subtract(times, times[0]).tolist() == pytest.approx(list(range(0, 400, 40)), abs=0.6)
    for index, frame in enumerate(frames):
        middle, left = made.size_hw[0] // 2, left_edge(index)
        assert frame.pixels.shape == (*made.size_hw, 3)
        assert is_close(frame.pixels[middle, left + 8], SUBJECT)
        assert is_close(frame.pixels[middle, left + 24], BACKGROUND)
        assert is_close(frame.pixels[2, 2], BACKGROUND)


def test_variable_rates_keep_their_times_and_durations(tmp_path: Path) -> None:
    path = Video(times_ms=VARIABLE_MS).write(tmp_path / "clip.mkv")
    assert times_ms(path) == list(VARIABLE_MS)
    assert [frame.duration for frame in frames_of(path)][:-1] == np.diff(VARIABLE_MS).tolist()


def test_times_count_from_the_start_of_the_file(tmp_path: Path) -> None:
    path = Video(codec="mpeg2video", sound="mp2", start_ms=6000, time_base=AT_25).write(tmp_path / "late.ts")
    with av.open(str(path)) as container:
        assert container.start_time is not None
        assert container.start_time > 5e6
    assert times_ms(path)[0] < 100


@pytest.mark.parametrize("made", [Video(), Video(options={"bf": "3"})], ids=["in_order", "b_frames"])
def test_what_an_edit_list_cuts_off_is_not_there(tmp_path: Path, made: Video) -> None:
    path = videos.with_edit_list(made.write(tmp_path / "clip.mp4"), tmp_path / "edited.mp4", 120)
    frames = frames_of(path)
    assert times_ms(path) == [0, 40, 80, 120, 160, 200, 240]
    assert examine(path).frames == len(frames)
    for index, frame in enumerate(frames, start=3):
        left = left_edge(index)
        assert frame.pixels[24, left - 1, 0] < 120 < frame.pixels[24, left, 0]


@pytest.mark.parametrize(("rotation", "corner"), [(90, (-1, 0)), (180, (-1, -1)), (-90, (0, -1))])
def test_rotated_videos_are_turned_upright(tmp_path: Path, rotation: int, corner: tuple[int, int]) -> None:
    frames = [np.full((32, 48, 3), 30, np.uint8) for _ in range(3)]
    for frame in frames:
        frame[:12, :12] = (240, 240, 240)
    path = Video(range(0, 120, 40), (32, 48), frames=frames, rotation=rotation).write(tmp_path / "turned.mp4")
    clip = examine(path)
    assert clip.size_hw == ((48, 32) if rotation % 180 else (32, 48))
    for frame in read_frames(clip):
        assert frame.pixels.shape[:2] == clip.size_hw
        assert is_close(frame.pixels[corner], (240, 240, 240))
        assert is_close(frame.pixels[[-1 - corner[0]][0], -1 - corner[1]], (30, 30, 30))


def test_mirrored_videos_are_mirrored_back(tmp_path: Path) -> None:
    path = Video(range(0, 120, 40)).write(tmp_path / "clip.mp4")
    with av.open(str(path)) as source, av.open(str(tmp_path / "mirrored.mp4"), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        matrix = np.array([-1, 0, 0, 0, 1, 0, 0, 0, 1], np.int64) * 65536
        matrix[8] = 1 << 30
        stream.set_display_matrix([int(each) for each in matrix])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    first = frames_of(tmp_path / "mirrored.mp4")[0].pixels
    assert is_close(first[24, -1 - 12], SUBJECT)
    assert is_close(first[24, 12], BACKGROUND)


def test_a_translucent_video_keeps_its_alpha(tmp_path: Path) -> None:
    frames = [np.dstack([videos.picture(index, (48, 64)), np.zeros((48, 64), np.uint8)]) for index in range(3)]
    for frame in frames:
        frame[:, :32, 3] = 255
    made = Video(
        range(0, 120, 40), codec="libvpx-vp9", pixel_format="yuva420p", sound=None, frames=frames,
        options={"auto-alt-ref": "0"},
    )  # fmt: skip
    path = made.write(tmp_path / "clip.webm")
    for frame in frames_of(path):
        assert frame.pixels.shape == (48, 64, 4)
        assert frame.pixels[10, 10, 3] > 250
        assert frame.pixels[10, 50, 3] < 5


@pytest.mark.parametrize("transfer", [16, 18])
def test_a_high_dynamic_range_is_reduced(tmp_path: Path, transfer: int) -> None:
    white = 0.5807 if transfer == 16 else 0.75  # of 203 cd/m²
    frames = [np.full((48, 64, 3), round(255 * white), np.uint8)] * 3
    made = Video(
        range(0, 120, 40), codec="libx265", pixel_format="yuv420p10le", colours=(9, 1, 9, transfer), frames=frames,
        options={"x265-params": "log-level=none"},
    )  # fmt: skip
    clip = examine(made.write(tmp_path / "hdr.mp4"))
    assert clip.colours.hdr == {16: "PQ", 18: "HLG"}[transfer]
    for frame in read_frames(clip):
        assert frame.pixels.dtype == np.uint8
        assert 225 <= frame.pixels.min() <= frame.pixels.max() <= 255


def test_one_frame(tmp_path: Path) -> None:
    assert len(frames_of(Video((0,)).write(tmp_path / "clip.mp4"))) == 1


def test_the_content_counts_not_the_name(tmp_path: Path) -> None:
    Video(codec="libvpx-vp9", sound="libopus", container="webm").write(tmp_path / "webm.mp4")
    assert len(frames_of(tmp_path / "webm.mp4")) == 10


def _text(path: Path) -> None:
    path.write_text("this is no video\n" * 100)


def _playlist(path: Path) -> None:
    Video(codec="mpeg2video", sound=None, time_base=AT_25).write(path.parent / "secret.ts")
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nsecret.ts\n#EXT-X-ENDLIST\n")


def _empty(path: Path) -> None:
    path.touch()


def _without_index(path: Path) -> None:
    data = Video().write(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _truncated_matroska(path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (50, 48, 64, 3), dtype=np.uint8)
    made = Video(range(0, 2000, 40), codec="ffv1", pixel_format="bgr0", frames=list(noise), container="matroska")
    data = made.write(path).read_bytes()
    path.write_bytes(data[: len(data) // 3])


def _sound_only(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as output:
        made = Video()
        made._write_tone(output, made._add_sound(output))


def _jpeg(path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 48)).save(path, "JPEG")


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (_text, NotAnImageError, "is no video that tuft reads: give MP4"),
        (_playlist, NotAnImageError, "is no video that tuft reads: give MP4"),
        (_jpeg, NotAnImageError, "is no video that tuft reads: give MP4"),
        (_sound_only, NotAnImageError, "is no video, it has sound only"),
        (_empty, TruncatedImageError, "is empty"),
        (_without_index, TruncatedImageError, "is damaged or ends early"),
        (_truncated_matroska, TruncatedImageError, "ends early, after 0."),
        (lambda path: None, ImageNotFoundError, "There is no file"),
        (lambda path: path.mkdir(), NotAnImageError, "cannot be read (Is a directory)"),
    ],
)
def test_what_is_no_video_is_told_in_one_sentence(tmp_path: Path, make: Any, kind: type[TuftError], words: str) -> None:
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(kind) as raised:
        frames_of(path)
    assert words in str(raised.value)
    assert str(raised.value).count("\n") == 0


def test_too_many_pixels_are_refused_before_they_are_decoded(clip: Path) -> None:
    with pytest.raises(ImageTooLargeError, match="64 × 48 pixels, more than the 3000 allowed"):
        examine(clip, max_pixels=3000)
