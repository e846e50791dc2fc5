from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tuft import Client, Cutout
from tuft.cutout import resolve_background
from tuft.errors import NotAnImageError, OptionError, OutputError
from tuft.imaging import compose


@pytest.fixture
def cutout(client: Client, scene: Any) -> Cutout:
    return client.remove(scene.rgb, size=384, refine="edges")


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_image_and_alpha_are_the_same_pixels(cutout: Cutout) -> None:
    assert cutout.image.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(cutout.image), cutout.rgba)
    np.testing.assert_array_equal(np.asarray(cutout.image)[..., 3], cutout.alpha)


def test_it_cannot_be_changed_by_accident(cutout: Cutout) -> None:
    with pytest.raises(AttributeError):
        cutout.preset = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        cutout.milliseconds["network"] = 0  # type: ignore[index]


def test_its_text_is_short(cutout: Cutout) -> None:
    assert len(repr(cutout)) < 500
    assert "preset='standard'" in repr(cutout)


def test_over_a_colour_is_the_compositing_equation(cutout: Cutout, scene: Any) -> None:
    alpha = cutout.alpha[..., None] / 255.0
    wanted = alpha * cutout.rgba[..., :3] + (1 - alpha) * np.array([255, 0, 0])
    for red in ("red", "#ff0000", (255, 0, 0)):
        assert np.abs(np.asarray(cutout.over(red), np.float64) - wanted).max() <= 0.5


def test_over_a_picture_in_every_form(cutout: Cutout, tmp_path: Path) -> None:
    picture = Image.new("RGB", (30, 20), (1, 2, 3))
    picture.save(tmp_path / "wall.png")
    wanted = np.asarray(cutout.over((1, 2, 3)))
    for background in (picture, np.asarray(picture), tmp_path / "wall.png", str(tmp_path / "wall.png")):
        np.testing.assert_array_equal(np.asarray(cutout.over(background)), wanted)


def test_over_its_own_background_out_of_focus(cutout: Cutout, scene: Any) -> None:
    blurred = np.asarray(cutout.over("blur"))
    assert np.abs(blurred[cutout.alpha == 0] - np.float64(scene.background)).max() < 20  # of 170
    np.testing.assert_array_equal(blurred[cutout.alpha == 255], scene.rgb[cutout.alpha == 255])


def test_what_is_no_background(cutout: Cutout) -> None:
    with pytest.raises(OptionError, match="reddish"):
        cutout.over("reddish")
    with pytest.raises(NotAnImageError, match=r"beach\.jpg"):
        cutout.over("beach.jpg")


def test_a_background_can_be_decoded_once_for_many(cutout: Cutout) -> None:
    assert resolve_background("white") == (255, 255, 255)
    assert resolve_background("blur") == compose.BLUR
    picture = resolve_background(Image.new("RGB", (4, 4), (9, 9, 9)))
    assert isinstance(picture, np.ndarray)
    assert resolve_background(picture) is not None
    np.testing.assert_array_equal(np.asarray(cutout.over(picture)), np.asarray(cutout.over("#090909")))


@pytest.mark.parametrize(
    "colour",
    [
        (300, 0, 0),
        (-1, 0, 0),
        (1.0, 1.0, 1.0),
        (0.5, 0.5, 0.5),
        (True, True, True),
        (255, 255, 255, 256),
        (1, 2),
        (),
        ("a", "b", "c"),
        [0, 0, 256],
        (None, 0, 0),
        "rgba(255,0,0,0.5,1)",
        "#12",
        "x" * 100_000,
    ],
    ids=lambda colour: repr(colour)[:30],
)
def test_what_is_no_colour_is_told_and_not_wrapped(cutout: Cutout, colour: Any) -> None:
    for use in (cutout.over, lambda it: cutout.to_bytes("png", background=it), resolve_background):
        with pytest.raises(OptionError) as caught:
            use(colour)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("colour", [[1, 2, 3], (1, 2, 3, 255), tuple(np.array([1, 2, 3], np.uint8)), "#010203"])
def test_a_colour_in_every_form(cutout: Cutout, colour: Any) -> None:
    np.testing.assert_array_equal(np.asarray(cutout.over(colour)), np.asarray(cutout.over((1, 2, 3))))


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_lossless_files_give_back_every_value(cutout: Cutout, tmp_path: Path, suffix: str) -> None:
    cutout.save(tmp_path / f"disk{suffix}")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"disk{suffix}")), cutout.rgba)


def test_lossy_webp_and_qualities_can_be_had(cutout: Cutout, tmp_path: Path) -> None:
    cutout.save(tmp_path / "disk.webp", lossless=False, quality=60)
    lossy = (tmp_path / "disk.webp").read_bytes()
    assert (b"VP8 " in lossy, b"VP8L" in cutout.to_bytes("webp")) == (True, True)
    np.testing.assert_array_equal(np.asarray(decoded(lossy))[..., 3], cutout.alpha)
    sizes = [len(cutout.to_bytes("jpeg", background="white", quality=quality)) for quality in (20, 90, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[1] < sizes[2]
    with pytest.raises(OptionError, match="quality"):
        cutout.to_bytes("webp", lossless=False, quality=101)


def test_a_zip_holds_colour_and_alpha(cutout: Cutout, tmp_path: Path) -> None:
    cutout.save(tmp_path / "disk.zip")
    with zipfile.ZipFile(tmp_path / "disk.zip") as archive:
        assert sorted(archive.namelist()) == ["alpha.png", "color.jpg"]
        np.testing.assert_array_equal(np.asarray(decoded(archive.read("alpha.png"))), cutout.alpha)


def test_the_format_may_differ_from_the_suffix(cutout: Cutout, tmp_path: Path) -> None:
    cutout.save(tmp_path / "disk.data", format="png")
    assert decoded((tmp_path / "disk.data").read_bytes()).format == "PNG"
    assert decoded(cutout.to_bytes("jpeg", background="white")).mode == "RGB"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("disk", {}),
        ("disk.gif", {}),
        ("disk.jpg", {}),
        ("disk.png", {"format": "gif"}),
        ("disk.zip", {"background": "white"}),
        ("disk.png", {"background": "reddish"}),
    ],
)
def test_what_cannot_be_saved_leaves_nothing(
    cutout: Cutout, tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    with pytest.raises(OptionError):
        cutout.save(tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("quality", [0, 101, 95.5, "90", None, True, float("nan")])
def test_a_quality_that_is_none_is_told(cutout: Cutout, quality: Any) -> None:
    for format in ("webp", "zip", "png"):
        with pytest.raises(OptionError, match="quality"):
            cutout.to_bytes(format, quality=quality)


@pytest.mark.parametrize("name", ["jpg", "JPG", "jpeg"])
def test_jpg_is_a_name_of_jpeg(cutout: Cutout, tmp_path: Path, name: str) -> None:
    cutout.save(tmp_path / "disk.data", format=name, background="white")
    wanted = cutout.to_bytes("jpeg", background="white")
    assert cutout.to_bytes(name, background="white") == (tmp_path / "disk.data").read_bytes() == wanted
    with pytest.raises(OptionError, match="transparency"):
        cutout.to_bytes(name)


def test_it_is_saved_into_open_files(cutout: Cutout, tmp_path: Path) -> None:
    memory = io.BytesIO(b"before")
    memory.seek(0, io.SEEK_END)
    cutout.save(memory, format="png")
    assert memory.getvalue() == b"before" + cutout.to_bytes("png")
    for buffering in (-1, 0):
        with (tmp_path / "disk.webp").open("wb", buffering=buffering) as file:
            cutout.save(file)  # its name tells the format
            assert not file.closed
        assert (tmp_path / "disk.webp").read_bytes() == cutout.to_bytes("webp")


def test_a_file_that_takes_a_part_at_a_time_gets_all(cutout: Cutout) -> None:
    parts: list[bytes] = []

    class Slow:
        def write(self, data: memoryview) -> int:
            parts.append(bytes(data[:1000]))
            return min(len(data), 1000)

    cutout.save(Slow(), format="png")  # type: ignore[arg-type]
    assert b"".join(parts) == cutout.to_bytes("png")


def test_what_nothing_can_be_saved_into_is_told(cutout: Cutout, tmp_path: Path) -> None:
    closed = io.BytesIO()
    closed.close()
    (tmp_path / "a.png").touch()
    with (tmp_path / "t.png").open("w") as text, (tmp_path / "a.png").open("rb") as reading:
        for wrong, slip in [
            (io.BytesIO(), "format="),
            (io.StringIO(), "text"),
            (text, "text"),
            (closed, "closed"),
            (reading, "reading"),
            (5, "int"),
            (None, "NoneType"),
            (["a.png"], "list"),
        ]:
            with pytest.raises(OptionError, match=slip):
                cutout.save(wrong, **({} if slip == "format=" else {"format": "png"}))  # type: ignore[arg-type]
    assert (tmp_path / "a.png").read_bytes() == b""
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OutputError, match="No space left"):
        cutout.save(full, format="png")


def test_a_missing_folder_is_told(cutout: Cutout, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="folder"):
        cutout.save(tmp_path / "missing" / "disk.png")
