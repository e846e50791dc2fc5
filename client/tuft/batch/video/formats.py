"""The formats in which cut-out videos are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tuft.errors import OptionError
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class VideoFormat:
    """A format of cut-out videos.

    Attributes:
        name: Its name.
        summary: What it is, in a few words.
        container: FFmpeg's muxer.
        codec: FFmpeg's encoder.
        opaque: Pixel format without alpha.
        translucent: Pixel format with alpha; None if it has none.
        options: Of the encoder.
        quality: The option that states quality, and its worst value; its best is 0.
        even: Whether width and height must be even.
        lossless: Whether every pixel is kept.
        sound: Encoders whose streams the container takes as they are.
        sound_codec: The encoder of all other sound; None if the format has no sound.
        whole: Whether a file is written as a whole, so that its segments are kept in another format.
    """

    name: str
    summary: str
    container: str
    codec: str
    opaque: str
    translucent: str | None
    options: Mapping[str, str] = field(default_factory=dict)
    quality: tuple[str, int] | None = None
    even: bool = False
    lossless: bool = False
    sound: frozenset[str] = frozenset()
    sound_codec: str | None = None
    whole: bool = False


_ISO_SOUND: Final = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3"})
_VP9: Final = {
    "crf": "24",
    "b": "0",
    # At one quality, a third of the time of "good", and files that are a third larger.
    "deadline": "realtime",
    "cpu-used": "6",
    "row-mt": "1",
    "auto-alt-ref": "0",  # which the encoder cannot combine with alpha
}
# Segments are joined packet by packet: frames that refer to later ones would reach across their ends.
_H264: Final = {"crf": "18", "preset": "medium", "bf": "0"}
_PRORES: Final = {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}

FORMATS: Final[Mapping[str, VideoFormat]] = MappingProxyType(
    {
        each.name: each
        for each in (
            VideoFormat(
                "webm", "VP9 with alpha, for browsers", "webm", "libvpx-vp9", "yuv420p", "yuva420p",
                _VP9, ("crf", 63), sound=frozenset({"opus", "vorbis", "libopus"}), sound_codec="libopus",
            ),
            VideoFormat(
                "mov", "ProRes 4444 with alpha, for editors", "mov", "prores_ks", "yuv444p10le", "yuva444p10le",
                _PRORES, sound=_ISO_SOUND | {"alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"},
                sound_codec="aac",
            ),
            VideoFormat(
                "mkv", "FFV1 with alpha, lossless", "matroska", "ffv1", "bgr0", "bgra", {"level": "3", "slicecrc": "1"},
                lossless=True, sound=frozenset({"*"}), sound_codec="libopus",
            ),
            VideoFormat(
                "mp4", "H.264 over a background", "mp4", "libx264", "yuv420p", None,
                _H264, ("crf", 51), even=True, sound=_ISO_SOUND, sound_codec="aac",
            ),
            VideoFormat(
                "stacked", "H.264, the colours above and the matte below", "mp4", "libx264", "yuv420p", None,
                _H264, ("crf", 51), even=True, sound=_ISO_SOUND, sound_codec="aac",
            ),
            VideoFormat("png", "APNG", "apng", "apng", "rgb24", "rgba", lossless=True, whole=True),
            VideoFormat("webp", "animated WebP", "webp", "libwebp_anim", "bgra", "bgra", whole=True),
            VideoFormat("gif", "animated GIF", "gif", "gif", "pal8", "pal8", whole=True),
            VideoFormat("frames", "a folder of PNGs", "", "png", "rgb24", "rgba", lossless=True, whole=True),
        )
    }
)  # fmt: skip

# In which the segments of formats are kept that are written as a whole.
INTERMEDIATE: Final = FORMATS["mkv"]
# Formats that are chosen by a suffix alone; `.png` and `.webp` are pictures, too.
VIDEO_FORMATS: Final = ("webm", "mov", "mkv", "mp4")
_STACKED: Final = "stacked.mp4"


def video_format(target: Path, name: str | None = None) -> VideoFormat:
    """The format called `name`, or that of a file's name: `.mp4` is `stacked` if it ends in `stacked.mp4`.

    Raises:
        OptionError: tuft writes no such videos.
    """
    if name is None:
        name = "stacked" if target.name.lower().endswith(_STACKED) else target.suffix.lower().removeprefix(".")
        name = "png" if name == "apng" else name
    if name not in FORMATS or (name == "frames" and target.is_file()):
        suffixes = ", ".join(f".{each}" for each in FORMATS if each not in ("stacked", "frames"))
        raise OptionError(
            f"tuft writes no videos as {shown(target.name if name not in FORMATS else name)}: end the name in "
            f"{suffixes}, or choose the format frames for a folder of PNGs."
        )
    return FORMATS[name]
