"""The photographs that latency and throughput are measured on, as JPEG bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

_SAMPLE_PX: Final = 3464  # 12 megapixels
_QUALITY: Final = 92
_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Photograph:
    """One JPEG file.

    Attributes:
        name: File name without the suffix.
        jpeg: Encoded bytes.
        size_hw: Height and width in pixels.
    """

    name: str
    jpeg: bytes
    size_hw: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Name and sizes, as values for JSON."""
        megapixels = round(self.size_hw[0] * self.size_hw[1] / 1e6, 2)
        return {"name": self.name, "megapixels": megapixels, "jpeg_bytes": len(self.jpeg)}

    def written_to(self, folder: Path) -> Path:
        """Writes the JPEG into `folder` and returns its path."""
        path = folder / f"{self.name}.jpg"
        path.write_bytes(self.jpeg)
        return path


def photographs(folder: Path | None) -> list[Photograph]:
    """Reads the photographs of a folder, converted to JPEG where needed; without a folder, a sample of 12 megapixels.

    Raises:
        SystemExit: The folder has no photographs.
    """
    if folder is None:
        return [_astronaut()]
    found = [_read(path) for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES]
    if not found:
        raise SystemExit(f"There is no photograph in {folder}: name a folder of {', '.join(_SUFFIXES)} files.")
    return found


def described(photographs: Sequence[dict[str, Any]]) -> str:
    """Describes photographs, given as `Photograph.to_dict` returns them, in one line."""
    sizes = sorted({photograph["megapixels"] for photograph in photographs})
    megapixels = f"{sizes[0]:g}" if len(sizes) == 1 else f"{sizes[0]:g} to {sizes[-1]:g}"
    return f"{len(photographs)} photograph{'s' * (len(photographs) > 1)} of {megapixels} megapixels"


def _read(path: Path) -> Photograph:
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as picture:
        size_hw = (picture.height, picture.width)
        return Photograph(path.stem, data if picture.format == "JPEG" else _jpeg(picture), size_hw)


def _astronaut() -> Photograph:
    import skimage.data

    picture = Image.fromarray(skimage.data.astronaut()).resize((_SAMPLE_PX, _SAMPLE_PX), Image.Resampling.LANCZOS)
    return Photograph("astronaut", _jpeg(picture), (_SAMPLE_PX, _SAMPLE_PX))


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
