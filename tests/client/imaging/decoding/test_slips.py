"""What callers give by mistake: the message names the slip, and is never longer than a few lines."""

from __future__ import annotations

import base64
import io
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support import bombs
from support.picture_files import file_of
from support.raw_files import Picture, tiff_of_pictures

from tuft.errors import ImageError, ImageNotFoundError, NotAnImageError
from tuft.imaging import load_photo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def closed_image(path: Path, how: str) -> Image.Image:
    if how == "its file closed":
        with path.open("rb") as file:
            return Image.open(file)
    image = Image.open(path)
    if how == "after its block":
        with image:
            pass
    elif how == "decoded, then closed":
        image.load()
        image.close()
    else:
        image.close()
    return image


@pytest.mark.parametrize("pillow_format", ["PNG", "JPEG", "TIFF", "GIF", "WEBP"])
@pytest.mark.parametrize("how", ["after its block", "decoded, then closed", "its file closed", "closed"])
def test_a_closed_pil_image(pillow_format: str, how: str, picture: NDArray[np.uint8], tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(file_of(Image.fromarray(picture), pillow_format))
    image = closed_image(path, how)
    if pillow_format == "WEBP" and how in ("after its block", "its file closed"):
        assert load_photo(image).size_hw == (40, 48)  # Pillow has read it when it was opened
        return
    with pytest.raises(NotAnImageError, match=r"PIL image given is closed: give it while it is open"):
        load_photo(image)


def test_a_pil_image_without_a_file_that_is_closed() -> None:
    image = Image.new("RGB", (4, 4))
    image.close()
    with pytest.raises(NotAnImageError, match="closed"):
        load_photo(image)


def test_a_closed_file(png: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png)
    with path.open("rb") as file:
        pass
    memory = io.BytesIO(png)
    memory.close()
    for closed in (file, memory):
        with pytest.raises(NotAnImageError, match=r"is closed: pass it on before it is closed, or its path"):
            load_photo(closed)


def test_a_file_open_for_text(png: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png)
    with path.open(encoding="utf-8") as utf8, path.open(encoding="latin-1") as latin:
        wrapped = tempfile.NamedTemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed below
        wrapped.write("text")
        wrapped.seek(0)
        texts: list[Any] = [utf8, latin, io.StringIO("text"), io.TextIOWrapper(io.BytesIO(png)), wrapped]
        for text in texts:
            with pytest.raises(NotAnImageError, match=r"gives text, not bytes: open it as 'rb'"):
                load_photo(text)
        wrapped.close()


def test_a_stream_at_its_end(png: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png)
    memory = io.BytesIO()
    memory.write(png)
    with path.open("rb") as file:
        file.read()
        for stream in (memory, file):
            with pytest.raises(NotAnImageError, match=r"read to its end: rewind it with seek\(0\)"):
                load_photo(stream)
            stream.seek(0)
            assert load_photo(stream).size_hw == (40, 48)
    with pytest.raises(NotAnImageError, match="empty: give a picture"):
        load_photo(io.BytesIO())


@pytest.mark.parametrize("address", ["https://example.com/dog.jpg", "http://localhost/dog", "s3://bucket/dog.jpg"])
def test_an_address(address: str) -> None:
    with pytest.raises(NotAnImageError, match=rf"^{address} is an address, and no path: fetch it first"):
        load_photo(address)


@pytest.mark.parametrize("start", ["data:image/png;base64,", "data:,", "DATA:image/jpeg;base64,"])
def test_a_data_uri_is_not_echoed(start: str) -> None:
    with pytest.raises(NotAnImageError, match=r"is an address, and no path: give the bytes") as caught:
        load_photo(start + base64.b64encode(bytes(3_000_000)).decode())
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("source", ["A" * 3_000_000, "no/such/" * 1000 + "dog.jpg", b"x" * 3_000_000, b"A" * 10])
def test_no_message_is_long(source: Any) -> None:
    with pytest.raises(ImageError) as caught:
        load_photo(source)
    assert len(str(caught.value)) < 400


def test_names_that_only_look_like_addresses_are_paths() -> None:
    for name in ("c://dog.jpg", "c:/dog.jpg", "https:dog.jpg", "database.jpg"):
        with pytest.raises(ImageNotFoundError):
            load_photo(name)


# --- files that are pictures to people, but not to tuft

KNOWN: dict[str, bytes] = {
    "a PDF document": b"%PDF-1.7\n",
    "an SVG drawing": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">',
    "a web page": b"\n<!DOCTYPE html><html>",
    "a Photoshop document": b"8BPS\0\1",
    "a JPEG XL picture": b"\0\0\0\x0cJXL \r\n\x87\n",
    "a JPEG 2000 picture": b"\0\0\0\x0cjP  \r\n\x87\n",
    "an icon": b"\0\0\1\0\1\0\x10\x10",
    "a film": b"\0\0\0\x18ftypmp42",
    "a zip archive": b"PK\3\4",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid",
}


@pytest.mark.parametrize("kind", KNOWN)
def test_what_is_known_but_not_read_is_named(kind: str) -> None:
    with pytest.raises(NotAnImageError, match=rf"is {kind}, which tuft does not read: give jpeg, png"):
        load_photo(KNOWN[kind] + bytes(64))


@pytest.mark.parametrize("start", [b"<", b"<?xml", b"<!--", b" " * 1024, b"<!---->" * 150, b"<?xml" + b" " * 1000])
def test_telling_what_a_file_is_costs_nothing(start: bytes) -> None:
    with pytest.raises(NotAnImageError, match="no picture that tuft reads"):
        load_photo(start)


@pytest.mark.parametrize(
    "file",
    [
        tiff_of_pictures(Picture(np.zeros((4, 4, 3), np.uint64))),  # 64 bits a channel
        bombs.grey_tiff(8, 8, (259, 3, 1, 60_000)),
        b"\xff\xd8\xff\xe0" + bytes(20),
        b"GIF89a",
    ],
)
def test_a_format_that_is_read_but_not_this_file_is_named(file: bytes) -> None:
    with pytest.raises(NotAnImageError, match=r"is a (TIFF|JPEG|GIF) that is damaged, or of a kind"):
        load_photo(file)
