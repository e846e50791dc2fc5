from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tuft import Client, Cutout, FakeTransport
from tuft.background import resolve_background
from tuft.errors import NoSubjectError, NotAnImageError, OptionError, OutputError
from tuft.imaging import compose
from tuft.imaging.quality_score import quality_score
from tuft.inference.observers import Observer, RequestEvent


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


@pytest.mark.parametrize("lossless", ["no", 0, None])
def test_lossless_is_true_or_false(cutout: Cutout, lossless: Any) -> None:
    with pytest.raises(OptionError, match="lossless"):
        cutout.to_bytes("webp", lossless=lossless)


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


# --- the frame, edge and shadow


def assert_aligned(changed: Cutout) -> None:
    """The three arrays of a changed cut-out have one size, and colours are zero where alpha is."""
    assert changed.foreground.shape == changed.photo.shape == (*changed.alpha.shape, 3)
    assert not changed.rgba[changed.alpha == 0].any()


def test_a_crop_contains_the_subject_and_its_margins(cutout: Cutout) -> None:
    box = cutout.foreground_box
    for margin, size in ((0, (box.width, box.height)), ("7px 9px", (box.width + 18, box.height + 14))):
        cropped = cutout.cropped(margin)
        assert cropped.image.size == size
        assert cropped.foreground_box[2:] == box[2:]
        assert_aligned(cropped)
    rows, columns = box.slices
    for whole, part in zip(layers(cutout), layers(cutout.cropped()), strict=True):
        np.testing.assert_array_equal(part, whole[rows, columns])


def layers(cutout: Cutout) -> tuple[np.ndarray, ...]:
    return cutout.rgba, cutout.foreground, cutout.photo


def test_margins_reach_beyond_the_photograph(cutout: Cutout) -> None:
    cropped = cutout.cropped("50%")
    assert cropped.image.size == (2 * cutout.foreground_box.width, 2 * cutout.foreground_box.height)
    assert cropped.image.height > cutout.image.height
    np.testing.assert_array_equal(cropped.photo[0], cropped.photo[1])  # the photograph's border goes on
    assert_aligned(cropped)


def test_a_cropped_subject_placed_at_its_full_size_stays_as_it_is(cutout: Cutout) -> None:
    cropped = cutout.cropped()
    for placed in (cropped.placed("100%"), cropped.placed(1.0, "0% 100%"), cropped.placed(position="center")):
        for before, after in zip(layers(cropped), layers(placed), strict=True):
            np.testing.assert_array_equal(after, before)


def test_nothing_changes_where_nothing_is_asked_for(cutout: Cutout) -> None:
    for same in (
        cutout.placed(),
        cutout.placed("original", "original"),
        cutout.resized(10**9),
        cutout.within("0 0 100% 100%"),
    ):
        for before, after in zip(layers(cutout), layers(same), strict=True):
            np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("position", [None, "0%", "30% 100%", "original"])
def test_a_placed_subject_is_where_it_is_wanted(cutout: Cutout, position: str | None) -> None:
    placed = cutout.placed("40%", position)
    box, (width, height) = placed.foreground_box, cutout.image.size
    assert placed.image.size == (width, height)
    assert max(box.width / width, box.height / height) == pytest.approx(0.4, abs=2 / height)
    before = cutout.foreground_box
    shares = {
        None: (0.5, 0.5),
        "0%": (0, 0),
        "30% 100%": (0.3, 1),
        "original": (before.left / (width - before.width), before.top / (height - before.height)),
    }[position]
    assert box.left == pytest.approx(shares[0] * (width - box.width), abs=2)
    assert box.top == pytest.approx(shares[1] * (height - box.height), abs=2)
    assert_aligned(placed)


def test_a_region_keeps_what_is_in_it(cutout: Cutout) -> None:
    kept = cutout.within("50% 0% 100% 100%")
    middle = cutout.image.width // 2
    assert not kept.rgba[:, :middle].any()
    np.testing.assert_array_equal(kept.rgba[:, middle:], cutout.rgba[:, middle:])
    np.testing.assert_array_equal(kept.photo, cutout.photo)


@pytest.mark.parametrize("pixels", [1, 2, 100, 5000, 19_199])
def test_a_reduced_cutout_has_at_most_so_many_pixels(cutout: Cutout, pixels: int) -> None:
    reduced = cutout.resized(pixels)
    width, height = reduced.image.size
    assert 1 <= width * height <= pixels
    assert abs(width * cutout.image.height - height * cutout.image.width) <= cutout.image.width + cutout.image.height
    assert_aligned(reduced)
    for wrong in (0, -1, float("nan"), "100", None):
        with pytest.raises(OptionError, match="above zero"):
            cutout.resized(wrong)  # type: ignore[arg-type]


def test_a_hard_edge_is_alpha_at_a_threshold(cutout: Cutout) -> None:
    for threshold in (0.0, 0.3, 0.5, 0.999):
        hard = cutout.hardened(threshold)
        np.testing.assert_array_equal(hard.alpha, np.where(cutout.alpha / 255 > threshold, 255, 0))
        np.testing.assert_array_equal(hard.rgba[hard.alpha > 0, :3], cutout.foreground[hard.alpha > 0])
        assert_aligned(hard)
    for threshold in (-0.1, 1, 127, float("nan"), "0.5", None):
        with pytest.raises(OptionError, match="threshold"):
            cutout.hardened(threshold)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["drop", "natural"])
def test_a_shadow_lies_under_the_subject(cutout: Cutout, kind: str) -> None:
    roomy = cutout.cropped("30%")
    shaded = roomy.with_shadow(kind, 80)
    opaque, bare = roomy.alpha == 255, roomy.alpha == 0
    np.testing.assert_array_equal(shaded.rgba[opaque], roomy.rgba[opaque])
    assert (shaded.alpha >= roomy.alpha).all()
    assert 0 < shaded.alpha[bare].max() <= 204
    assert not shaded.rgba[bare, :3].any()  # black
    over_white = np.asarray(shaded.over("white"), int)
    shade = shaded.alpha[bare].astype(int)
    assert np.abs(over_white[bare] - (255 - shade)[:, None]).max() <= 1
    assert_aligned(shaded)
    np.testing.assert_array_equal(roomy.with_shadow(kind, 0).rgba, roomy.rgba)


def test_shadows_that_do_not_exist(cutout: Cutout) -> None:
    for kind in ("long", "", None, 3):
        with pytest.raises(OptionError, match="drop, natural"):
            cutout.with_shadow(kind)  # type: ignore[arg-type]
    for opacity in (-1, 101, float("nan"), "50", None):
        with pytest.raises(OptionError, match="opacity"):
            cutout.with_shadow("drop", opacity)  # type: ignore[arg-type]


def test_an_empty_cutout_has_no_frame_and_no_shadow(cutout: Cutout) -> None:
    empty = replace(cutout, rgba=np.zeros_like(cutout.rgba))
    assert empty.foreground_box == (0, 0, 0, 0)
    for change in (empty.cropped, empty.placed):
        with pytest.raises(NoSubjectError, match="empty"):
            change()
    assert not empty.with_shadow().rgba.any()
    assert empty._repr_png_()


def test_changes_keep_the_origin(cutout: Cutout) -> None:
    for changed in (
        cutout.cropped(),
        cutout.placed("50%"),
        cutout.with_shadow(),
        cutout.resized(99),
        cutout.hardened(),
    ):
        assert (changed.model, changed.request_id, changed.preset) == (cutout.model, cutout.request_id, cutout.preset)
        assert changed.milliseconds == cutout.milliseconds


# --- what is shown of it


def test_every_type_is_what_its_formula_says(cutout: Cutout) -> None:
    alpha = cutout.alpha[..., None] / 255
    np.testing.assert_array_equal(np.asarray(cutout.as_type()), cutout.rgba)
    np.testing.assert_array_equal(np.asarray(cutout.as_type("mask")), cutout.alpha)
    colours = np.where(alpha > 0, cutout.foreground, 0)
    np.testing.assert_array_equal(np.asarray(cutout.as_type("foreground")), colours)
    green = alpha * cutout.foreground + (1 - alpha) * (0, 0xB1, 0x40)
    np.testing.assert_allclose(np.asarray(cutout.as_type("green"), float), green, atol=0.51)
    tint = 0.5 * (1 - alpha)
    tinted = (1 - tint) * cutout.photo + tint * np.array([255, 0, 0])
    np.testing.assert_allclose(np.asarray(cutout.as_type("overlay"), float), tinted, atol=0.51)
    with pytest.raises(OptionError, match="cutout, mask, foreground, green, overlay"):
        cutout.as_type("map")  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
@pytest.mark.parametrize(("output_type", "kind"), [("mask", "L"), ("foreground", "RGB"), ("overlay", "RGB")])
def test_every_type_can_be_saved(
    cutout: Cutout, tmp_path: Path, format: str, output_type: compose.OutputType, kind: str
) -> None:
    cutout.save(tmp_path / f"it.{format}", output_type=output_type)
    read = decoded((tmp_path / f"it.{format}").read_bytes()).convert(kind)
    difference = np.abs(np.asarray(read, float) - np.asarray(cutout.as_type(output_type), float))
    assert difference.max() <= (0 if format != "jpeg" else 60)
    assert difference.mean() < 2


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("zip", {"output_type": "mask"}),
        ("png", {"output_type": "mask", "background": "white"}),
        ("png", {"output_type": "trimap"}),
        ("jpeg", {"background": (1, 2, 3, 4)}),
        ("jpeg", {"background": "#ffffff80"}),
    ],
    ids=repr,
)
def test_what_does_not_go_together(cutout: Cutout, format: str, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        cutout.to_bytes(format, **options)


def test_over_a_translucent_colour_is_pillows_composition(cutout: Cutout) -> None:
    for colour in ((10, 200, 30, 128), (255, 255, 255, 1), (0, 0, 0, 0)):
        mixed = cutout.over(colour)
        wanted = Image.alpha_composite(Image.new("RGBA", cutout.image.size, colour), cutout.image)
        assert mixed.mode == "RGBA"
        np.testing.assert_allclose(np.asarray(mixed)[..., 3], np.asarray(wanted)[..., 3], atol=1)
        seen = np.asarray(wanted)[..., 3] > 0
        np.testing.assert_allclose(np.asarray(mixed, int)[seen], np.asarray(wanted, int)[seen], atol=2)
    assert cutout.over((1, 2, 3, 255)).mode == "RGB"


# --- in other places


def test_a_notebook_shows_it_on_a_checkerboard(cutout: Cutout) -> None:
    shown = decoded(cutout._repr_png_())
    assert (shown.mode, shown.size) == ("RGB", cutout.image.size)
    clear = np.asarray(shown)[cutout.alpha == 0]
    assert set(map(tuple, clear)) == {(255, 255, 255), (204, 204, 204)}
    np.testing.assert_array_equal(np.asarray(shown)[cutout.alpha == 255], cutout.rgba[cutout.alpha == 255, :3])


def test_a_notebook_shows_large_ones_small(cutout: Cutout) -> None:
    large = replace(cutout, **{name: getattr(cutout, name).repeat(20, 0).repeat(20, 1) for name in ARRAYS})
    assert np.prod(decoded(large._repr_png_()).size) <= 512 * 512


ARRAYS = ("rgba", "foreground", "photo")


def assert_same(one: Cutout, other: Cutout) -> None:
    for field in fields(Cutout):
        before, after = getattr(one, field.name), getattr(other, field.name)
        assert np.array_equal(before, after) if field.name in ARRAYS else before == after


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_it_can_be_pickled(cutout: Cutout, protocol: int) -> None:
    size = len(pickle.dumps(cutout, protocol))
    assert cutout.image  # made on demand, and not carried along
    data = pickle.dumps(cutout, protocol)
    assert len(data) == size
    again = pickle.loads(data)
    assert_same(cutout, again)
    with pytest.raises(TypeError):
        again.milliseconds["network"] = 0
    np.testing.assert_array_equal(np.asarray(again.image), cutout.rgba)


def test_it_can_be_copied(cutout: Cutout) -> None:
    shallow, deep = copy.copy(cutout), copy.deepcopy(cutout)
    assert_same(cutout, shallow)
    assert_same(cutout, deep)
    assert np.shares_memory(shallow.rgba, cutout.rgba)
    assert not np.shares_memory(deep.rgba, cutout.rgba)
    assert asdict(cutout)["milliseconds"] == cutout.milliseconds


def cut_out_elsewhere(rgb: np.ndarray) -> Cutout:
    with Client(transport=FakeTransport()) as client:
        return client.remove(rgb, size=384)


def test_it_returns_from_another_process(scene: Any) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        made = pool.submit(cut_out_elsewhere, scene.rgb).result()
    here = cut_out_elsewhere(scene.rgb)
    np.testing.assert_array_equal(made.rgba, here.rgba)
    assert made.milliseconds.keys() == here.milliseconds.keys()


def test_the_quality_score_is_the_one_that_observers_were_told(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float | None] = []

    class Listener(Observer):
        def request_finished(self, event: RequestEvent) -> None:
            told.append(event.quality_score)

    with Client(transport=FakeTransport(), observers=[Listener()]) as client:
        cutout = client.remove(scene.rgb)
    expected = quality_score(cutout.alpha, cutout.photo)
    assert told == [expected]
    monkeypatch.setattr("tuft.cutout.quality_score", lambda *_: pytest.fail("computed twice"))
    assert cutout.quality_score == expected
    with Client(transport=FakeTransport()) as unobserved, pytest.raises(pytest.fail.Exception):
        assert unobserved.remove(scene.rgb).quality_score
