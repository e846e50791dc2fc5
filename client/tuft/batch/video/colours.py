"""Between a video's colours and RGB: its matrix, its range and its transfer function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tuft.batch.video.library import av
from tuft.batch.video.tone import tone_mapped

if TYPE_CHECKING:
    import numpy as np
    from av import VideoFrame
    from numpy.typing import NDArray

# Of FFmpeg's `AVColorSpace`, `AVColorRange`, `AVColorPrimaries` and `AVColorTransferCharacteristic`.
_RGB, _BT709, _UNSPECIFIED, _BT601 = 0, 1, 2, 5
_LIMITED, _FULL = 1, 2
_HDR: Final = {16: "PQ", 18: "HLG"}
# Below this height, videos that state no matrix are taken for standard definition, as players do.
_HD_HEIGHT: Final = 720


@dataclass(frozen=True)
class Colours:
    """How a video's luma and chroma stand for colours, in FFmpeg's numbers.

    Attributes:
        matrix: `AVColorSpace`.
        range: `AVColorRange`: 1 is limited (16..235), 2 is full.
        primaries: `AVColorPrimaries`.
        transfer: `AVColorTransferCharacteristic`.
    """

    matrix: int = _BT709
    range: int = _LIMITED
    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED

    @classmethod
    def of(cls, frame: VideoFrame) -> Colours:
        """Those of a decoded frame; what it does not state is guessed as players do."""
        matrix = frame.colorspace
        if matrix in (_RGB, _UNSPECIFIED):
            matrix = _BT709 if max(frame.width * 9 // 16, frame.height) >= _HD_HEIGHT else _BT601
        limited = not frame.format.name.startswith("yuvj") and frame.color_range != _FULL
        return cls(matrix, _LIMITED if limited else _FULL, frame.color_primaries, frame.color_trc)

    @property
    def hdr(self) -> str | None:
        """`PQ` or `HLG` if the video has a high dynamic range."""
        return _HDR.get(self.transfer)

    def rgb(self, frame: VideoFrame, *, alpha: bool, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        """The frame's pixels, of standard range: uint8 (H, W, 3), or (H, W, 4) with `alpha`."""
        options: dict[str, Any] = {} if frame.format.is_rgb else {"src_colorspace": self.matrix, **_FROM[self.range]}
        width, height = size_wh
        format = "rgb48le" if self.hdr else "rgba" if alpha else "rgb24"
        converted = frame.reformat(width, height, format, interpolation=_interpolation(), **options)
        pixels: NDArray[Any] = converted.to_ndarray()
        return pixels if self.hdr is None else tone_mapped(pixels, self.hdr, self.primaries)

    def frame(self, pixels: NDArray[np.uint8], pixel_format: str) -> VideoFrame:
        """A frame for an encoder.

        Args:
            pixels: uint8 (H, W, 3) or (H, W, 4).
            pixel_format: FFmpeg's name of the encoder's.
        """
        made = av().VideoFrame.from_ndarray(pixels, "rgba" if pixels.shape[2] == 4 else "rgb24")
        if pixel_format in ("rgba", "bgra", "rgb24"):
            return made.reformat(format=pixel_format)  # type: ignore[no-any-return]
        converted: VideoFrame = made.reformat(
            format=pixel_format,
            dst_colorspace=self.matrix,
            src_color_range=_FULL,
            dst_color_range=self.range,
            interpolation=_interpolation(),
        )
        converted.colorspace, converted.color_range = self.matrix, self.range
        converted.color_primaries, converted.color_trc = self.primaries, self.transfer
        return converted


_FROM: Final = {range_: {"src_color_range": range_, "dst_color_range": _FULL} for range_ in (_LIMITED, _FULL)}


def _interpolation() -> int:
    """Bicubic, with chroma at full resolution and without the short cuts that are off by a level or two."""
    from av.video.reformatter import Interpolation

    return int(
        Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
    )
