"""The fields of `POST /v1.0/removebg`: allowed values, defaults, and the error of each."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from PIL import ImageColor

from tuft.errors import OptionError
from tuft.presets import REFINEMENTS, preset_from_name
from tuft_gateway.fetch import FetchError, checked_url
from tuft_gateway.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuft.presets import Refinement
    from tuft_gateway.bodies import Form

Format = Literal["auto", "png", "jpg", "webp", "zip"]
Unit = Literal["px", "%"]
Colour = tuple[int, int, int, int]  # red, green, blue, alpha, 0..255

# Megapixels of the result; those of png where they differ.
SIZES: Final[Mapping[str, tuple[float, float]]] = {
    "preview": (0.25, 0.25),
    "small": (0.25, 0.25),
    "regular": (0.25, 0.25),
    "medium": (1.5, 1.5),
    "hd": (4, 4),
    "full": (25, 10),
    "4k": (25, 10),
    "50MP": (50, 10),
    "auto": (25, 10),
}
TYPES: Final = ("auto", "person", "product", "car", "animal", "graphic", "transportation")
TYPE_LEVELS: Final = ("1", "none", "2", "latest")
SHADOWS: Final = ("none", "auto", "drop", "natural", "3D", "car")
MAX_MARGIN_PX: Final = 500
MAX_MARGIN_PERCENT: Final = 50

_LENGTH: Final = re.compile(r"(\d{1,7}(?:\.\d{1,6})?)(px|%)?")
_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%?")
_HEX: Final = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})")
_NAME: Final = re.compile(r"[a-zA-Z]{3,30}")
_DATA_URL: Final = re.compile(r"data:[\w/+.-]{0,80};base64,")
_MODEL: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True)
class Length:
    """A length in pixels or percent."""

    value: float
    unit: Unit

    def pixels(self, whole: int) -> float:
        """In pixels, where 100 % are `whole` pixels."""
        return self.value if self.unit == "px" else self.value * whole / 100


Roi = tuple[Length, Length, Length, Length]  # x1, y1, x2, y2
Margins = tuple[Length, Length, Length, Length]  # top, right, bottom, left


@dataclass(frozen=True)
class Source:
    """Where a picture comes from: its bytes, or a URL."""

    content: bytes = b""
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class RemoveBgRequest:
    """A request, validated.

    Attributes:
        source: The photograph.
        size: One of `SIZES`.
        format: Of the answer.
        type_level: One of `TYPE_LEVELS`.
        roi: Only what is inside may be foreground; None is everywhere.
        crop: Whether the result is cropped to the subject.
        crop_margin: Around the subject, only with `crop`.
        scale: Share of the result's size that the subject takes, 0.1..1; None leaves it as it is.
        position: Of the subject, (x, y) in 0..1; None leaves it where it is.
        alpha_only: Whether the result is the alpha channel alone.
        shadow: The kind of shadow; None for none.
        shadow_opacity: 0..1; None is the default of the kind.
        colour: Behind the subject; may be translucent.
        background: A picture behind the subject.
        preset: tuft's preset; None is the gateway's default.
        model: tuft's model; None is the preset's.
        refine: tuft's refinement; None is the preset's.
    """

    source: Source
    size: str = "preview"
    format: Format = "auto"
    type_level: str = "1"
    roi: Roi | None = None
    crop: bool = False
    crop_margin: Margins | None = None
    scale: float | None = None
    position: tuple[float, float] | None = None
    alpha_only: bool = False
    shadow: str | None = None
    shadow_opacity: float | None = None
    colour: Colour | None = None
    background: Source | None = None
    preset: str | None = None
    model: str | None = None
    refine: Refinement | None = None

    @property
    def preview(self) -> bool:
        """Whether the result is a preview, which costs less."""
        return SIZES[self.size][0] <= 0.25


def request_from_form(form: Form) -> RemoveBgRequest:
    """Validates the fields of a form; unknown ones are ignored, as remove.bg ignores them.

    Raises:
        ApiError: A field has no such value; its code names the field.
    """
    fields = form.fields
    scale = _scale(fields.get("scale", "original"))
    shadow = _shadow(fields)
    _boolean(fields, "semitransparency", default=True)
    _choice(fields, "type", TYPES)
    return RemoveBgRequest(
        source=photograph_from_form(form),
        size=_choice(fields, "size", tuple(SIZES)),
        format=cast("Format", _choice(fields, "format", get_args(Format), {"jpeg": "jpg"})),
        type_level=_choice(fields, "type_level", TYPE_LEVELS),
        roi=_roi(fields.get("roi")),
        crop=_boolean(fields, "crop", default=False),
        crop_margin=_margins(fields.get("crop_margin", "0")),
        scale=scale,
        position=_position(fields.get("position"), centred=scale is not None),
        alpha_only=_choice(fields, "channels", ("rgba", "alpha")) == "alpha",
        shadow=shadow,
        shadow_opacity=_opacity(fields.get("shadow_opacity")),
        colour=_colour(fields.get("bg_color")),
        background=_background(form),
        preset=_preset(fields.get("tuft_preset")),
        model=_model(fields.get("tuft_model")),
        refine=_refinement(fields.get("tuft_refine")),
    )


def photograph_from_form(form: Form) -> Source:
    """Where the photograph of a form comes from.

    Raises:
        ApiError: There is none, or more than one.
    """
    files = form.files.get("image_file", ())
    encoded, url = form.fields.get("image_file_b64"), form.fields.get("image_url")
    given = len(files) + (encoded is not None) + (url is not None)
    if given > 1:
        raise ApiError("multiple_sources", "Give one of image_file, image_file_b64 and image_url, not several.")
    if not given:
        hint = " as a file, with a filename" if "image_file" in form.fields else ""
        raise ApiError("missing_source", f"Give image_file{hint}, image_file_b64 or image_url.")
    if url is not None:
        return Source(url=_url(url, "invalid_image_url"))
    return Source(files[0] if encoded is None else _base64(encoded))


def _background(form: Form) -> Source | None:
    files, url = form.files.get("bg_image_file", ()), form.fields.get("bg_image_url")
    if len(files) + (url is not None) + ("bg_color" in form.fields) > 1:
        raise ApiError("multiple_bg_sources", "Give one of bg_color, bg_image_url and bg_image_file, not several.")
    if url is not None:
        return Source(url=_url(url, "invalid_bg_image_url"))
    return Source(files[0]) if files else None


def _url(text: str, code: str) -> str:
    try:
        return str(checked_url(text.strip()))
    except FetchError as exc:
        raise ApiError(code, "Give an http or https URL with a public host.") from exc


def _base64(text: str) -> bytes:
    try:
        return b64decode(_DATA_URL.sub("", "".join(text.split()), count=1), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ApiError("failed_to_read_image", "image_file_b64 is not base64: encode the bytes of the file.") from exc


def _choice(
    fields: Mapping[str, str], name: str, choices: tuple[str, ...], aliases: Mapping[str, str] | None = None
) -> str:
    """The value of a field, the first of `choices` by default, in any case of letters."""
    text = fields.get(name, choices[0]).strip()
    known = {choice.lower(): choice for choice in choices} | dict(aliases or {})
    if text.lower() not in known:
        raise ApiError(f"invalid_{name}", f"Give one of {', '.join(choices)}.")
    return known[text.lower()]


def _boolean(fields: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = fields.get(name, str(default)).strip().lower()
    if text not in ("true", "false", "1", "0"):
        raise ApiError(f"invalid_{name}", "Give true or false.")
    return text in ("true", "1")


def _length(text: str, code: str) -> Length:
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise ApiError(code, "Give numbers of pixels or percent, such as 10px or 5%.")
    return Length(float(match[1]), cast("Unit", match[2] or "px"))


def _roi(text: str | None) -> Roi | None:
    if text is None:
        return None
    parts = text.split()
    if len(parts) != 4:
        raise ApiError("invalid_roi", "Give x1 y1 x2 y2, such as 0% 0% 100% 100%.")
    x1, y1, x2, y2 = (_length(part, "invalid_roi") for part in parts)
    return (x1, y1, x2, y2)


def _margins(text: str) -> Margins:
    """One, two or four values in the order of CSS."""
    lengths = [_length(part, "invalid_crop_margin") for part in text.split()]
    for length in lengths:
        limit = MAX_MARGIN_PX if length.unit == "px" else MAX_MARGIN_PERCENT
        if length.value > limit:
            raise ApiError("invalid_crop_margin", f"A margin is at most {MAX_MARGIN_PERCENT}% or {MAX_MARGIN_PX}px.")
    if len(lengths) == 1:
        return (lengths[0], lengths[0], lengths[0], lengths[0])
    if len(lengths) == 2:
        return (lengths[0], lengths[1], lengths[0], lengths[1])
    if len(lengths) == 4:
        return (lengths[0], lengths[1], lengths[2], lengths[3])
    raise ApiError("invalid_crop_margin", "Give one, two or four margins.")


def _scale(text: str) -> float | None:
    if text.strip().lower() == "original":
        return None
    match = _PERCENT.fullmatch(text.strip())
    if match is None or not 10 <= float(match[1]) <= 100:
        raise ApiError("invalid_scale", "Give original, or 10% to 100%.")
    return float(match[1]) / 100


def _position(text: str | None, *, centred: bool) -> tuple[float, float] | None:
    """The position (x, y) in 0..1; where a scale is given, the centre by default."""
    words = (text or ("center" if centred else "original")).strip().lower().split()
    if words == ["original"]:
        return None
    if words == ["center"]:
        return (0.5, 0.5)
    matches = [_PERCENT.fullmatch(word) for word in words]
    shares = [float(match[1]) / 100 for match in matches if match is not None]
    if len(shares) != len(words) or len(words) not in (1, 2) or max(shares) > 1:
        raise ApiError("invalid_position", "Give original, center, or one or two values of 0% to 100%.")
    return (shares[0], shares[-1])


def _shadow(fields: Mapping[str, str]) -> str | None:
    """The kind of shadow; the older `add_shadow` asks for the default one."""
    added = _boolean(fields, "add_shadow", default=False)
    kind = _choice(fields, "shadow_type", SHADOWS)
    if kind == "none":
        return "auto" if added else None
    return kind


def _opacity(text: str | None) -> float | None:
    if text is None:
        return None
    match = _PERCENT.fullmatch(text.strip())
    if match is None or float(match[1]) > 100:
        raise ApiError("invalid_shadow_opacity", "Give a number from 0 to 100.")
    return float(match[1]) / 100


def _colour(text: str | None) -> Colour | None:
    """A colour as hexadecimal digits with or without #, or as a name."""
    if text is None:
        return None
    word = text.strip()
    if match := _HEX.fullmatch(word):
        digits = match[1] if len(match[1]) > 4 else "".join(2 * digit for digit in match[1])
        red, green, blue, alpha = bytes.fromhex(digits.ljust(8, "f"))
        return (red, green, blue, alpha)
    if _NAME.fullmatch(word):
        if word.lower() == "transparent":
            return None
        colour = ImageColor.colormap.get(word.lower())
        if colour is not None:
            red, green, blue = ImageColor.getrgb(colour)[:3]
            return (red, green, blue, 255)
    raise ApiError("invalid_bg_color", "Give hexadecimal digits such as 81d4fa, or a name such as green.")


def _preset(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return preset_from_name(name.strip()).name
    except OptionError as exc:
        raise ApiError("invalid_tuft_preset", str(exc)) from exc


def _model(name: str | None) -> str | None:
    if name is not None and not _MODEL.fullmatch(name.strip()):
        raise ApiError("invalid_tuft_model", "A model's name has letters, digits, and the signs _ . and -.")
    return None if name is None else name.strip()


def _refinement(name: str | None) -> Refinement | None:
    if name is not None and name.strip() not in REFINEMENTS:
        raise ApiError("invalid_tuft_refine", f"Give one of {', '.join(REFINEMENTS)}.")
    return None if name is None else cast("Refinement", name.strip())
