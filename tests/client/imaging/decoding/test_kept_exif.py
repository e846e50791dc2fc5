"""What is kept of a photograph's EXIF."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from tuft import Client, imaging
from tuft.errors import NotAnImageError
from tuft.imaging import read_exif

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Base, IFD = ExifTags.Base, ExifTags.IFD
THUMBNAIL = b"\xff\xd8 a picture of the old background"


def exif_of_a_camera() -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Artist], exif[Base.Orientation] = "Lumen", "Ada", 6
    exif[IFD.Exif] = {
        Base.DateTimeOriginal: "2024:01:05 10:00:00",
        Base.LensModel: "50 mm",
        Base.ExifImageWidth: 4000,
        Base.ExifImageHeight: 3000,
        Base.ColorSpace: 65535,
        Base.MakerNote: THUMBNAIL,
    }
    exif[IFD.GPSInfo] = {1: "N", 2: (52.0, 31.0, 12.0)}
    return exif


@pytest.fixture(params=["jpeg", "png", "webp", "tiff", "avif"])
def photograph(request: pytest.FixtureRequest, tmp_path: Path, scene: Any) -> Path:
    path = tmp_path / f"dog.{request.param}"
    picture = Image.fromarray(scene.rgb)
    exif = exif_of_a_camera()
    picture.save(path, exif=parsed(exif.tobytes()))
    return path


def parsed(exif: bytes) -> Image.Exif:
    made = Image.Exif()
    made.load(exif)
    return made


def require_kept(exif: Image.Exif) -> None:
    assert (exif[Base.Make], exif[Base.Artist]) == ("Lumen", "Ada")
    assert exif.get(Base.Orientation, 1) == 1
    camera = exif.get_ifd(IFD.Exif)
    assert camera[Base.LensModel] == "50 mm"
    assert camera[Base.DateTimeOriginal] == "2024:01:05 10:00:00"
    assert camera[Base.ColorSpace] == 1
    assert not {Base.MakerNote, Base.ExifImageWidth, Base.ExifImageHeight} & set(camera)
    assert exif.get_ifd(IFD.GPSInfo) == {1: "N", 2: (52.0, 31.0, 12.0)}


def test_what_describes_the_photograph_is_kept_and_what_describes_its_pixels_is_not(photograph: Path) -> None:
    kept = read_exif(photograph)
    require_kept(parsed(kept))
    assert THUMBNAIL not in kept
    assert read_exif(photograph.read_bytes()) == kept
    with photograph.open("rb") as file:
        assert read_exif(file) == kept
    with Image.open(photograph) as picture:
        assert read_exif(picture) == kept


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_it_is_in_the_file_of_the_cut_out_with_a_profile(
    client: Client, scene: Any, tmp_path: Path, photograph: Path, format: str
) -> None:
    cutout = client.remove(scene.rgb, size=384, refine="none")
    background = "white" if format == "jpeg" else None
    cutout.save(tmp_path / f"cut.{format}", background=background, exif=read_exif(photograph))
    with Image.open(tmp_path / f"cut.{format}") as file:
        file.load()
        require_kept(file.getexif())
        profile = ImageCms.ImageCmsProfile(io.BytesIO(file.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)
        if format != "jpeg":
            np.testing.assert_array_equal(np.asarray(file), cutout.rgba)
    data = cutout.to_bytes(format, background=background, exif=read_exif(photograph))
    assert data == (tmp_path / f"cut.{format}").read_bytes()
    assert b"Lumen" not in cutout.to_bytes(format, background=background)
    assert b"icc" not in cutout.to_bytes(format, background=background).lower()


def test_a_zip_has_it_in_its_colours_and_a_mask_has_no_profile(client: Client, scene: Any) -> None:
    cutout = client.remove(scene.rgb, size=384, refine="none")
    exif = exif_of_a_camera().tobytes()
    with zipfile.ZipFile(io.BytesIO(cutout.to_bytes("zip", exif=exif))) as archive:
        assert Image.open(archive.open("color.jpg")).getexif()[Base.Make] == "Lumen"
        assert not Image.open(archive.open("alpha.png")).getexif()
    for format in ("png", "webp", "jpeg"):
        mask = Image.open(io.BytesIO(cutout.to_bytes(format, output_type="mask", exif=exif)))
        assert mask.getexif()[Base.Make] == "Lumen"
        assert "icc_profile" not in mask.info


def with_exif(block: bytes) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "WEBP", exif=block)
    return file.getvalue()


def loop() -> bytes:
    """A directory whose pointers to others lead back to itself."""
    entries = [(IFD.Exif, 4, 1, 8), (IFD.GPSInfo, 4, 1, 8)]
    data = b"".join(
        b"".join(n.to_bytes(size, "little") for n, size in zip(entry, (2, 2, 4, 4), strict=True)) for entry in entries
    )
    return b"II*\0\x08\0\0\0" + len(entries).to_bytes(2, "little") + data + bytes(4)


@pytest.mark.parametrize(
    "make",
    [lambda: b"", lambda: b"Exif\0\0II*\0", lambda: b"nonsense" * 99, loop, lambda: exif_of_a_camera().tobytes()[:60]],
    ids=["none", "short", "nonsense", "loop", "cut"],
)
def test_damaged_exif_is_left_out_and_harms_nothing(make: Callable[[], bytes]) -> None:
    kept = read_exif(with_exif(make()))
    assert len(kept) < 500
    assert imaging.load_photo(with_exif(make())).size_hw == (8, 8)


def test_huge_exif_is_left_out() -> None:
    exif = exif_of_a_camera()
    exif[Base.ImageDescription] = "x" * 100_000
    assert read_exif(with_exif(exif.tobytes())) == b""


def test_what_has_none_has_none(scene: Any) -> None:
    assert read_exif(scene.rgb) == b""
    assert read_exif(Image.fromarray(scene.rgb)) == b""
    assert read_exif(imaging.load_photo(scene.rgb)) == b""
    with pytest.raises(NotAnImageError):
        read_exif(b"no picture")
