"""The fields of `POST /v1.0/removebg`: allowed values, defaults, and the error of each."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeVar, cast, get_args

from tuft import imaging
from tuft.errors import ImageError, OptionError
from tuft.presets import REFINEMENTS, preset_from_name
from tuft.prompts import parse_box, parse_points
from tuft_gateway.fetch import FetchError, checked_url
from tuft_gateway.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuft.imaging import Photo
    from tuft.imaging.compose import Colour
    from tuft.presets import Refinement
    from tuft.prompts import Prompt
    from tuft_gateway.bodies import Form

Value = TypeVar("Value")
Format = Literal["auto", "png", "jpg", "webp", "zip"]

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
# The last ones are values of X-Type that clients send as well.
TYPES: Final = (
    "auto",
    "person",
    "product",
    "car",
    "animal",
    "graphic",
    "transportation",
    "graphics",
    "car_interior",
    "car_part",
    "other",
)
TYPE_LEVELS: Final = ("1", "none", "2", "latest")
# remove.bg's list is not public: these are the words that its clients send.
SHADOWS: Final = ("none", "auto", "drop", "natural", "3D", "car")
_DEFAULT_SHADOW: Final = "natural"

_REGION: Final = re.compile(r"\d+(?:\.\d+)?(?:px|%)?(?:\s+\d+(?:\.\d+)?(?:px|%)?){3}")
_OPACITY: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%?", re.ASCII)
_DATA_URL: Final = re.compile(r"data:[\w/+.-]{0,80};base64,")
_MODEL: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")


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
        roi: The region that holds the subject, as `tuft.Client.remove` takes it; None is everywhere.
        crop: Whether the result is cropped to the subject.
        crop_margin: Around the subject, as `tuft.Cutout.cropped` takes it; only with `crop`.
        scale: As `tuft.Cutout.placed` takes it.
        position: As `tuft.Cutout.placed` takes it; None is the default.
        alpha_only: Whether the result is the alpha channel alone.
        shadow: The kind of shadow, as `tuft.Cutout.with_shadow` takes it; None for none.
        shadow_opacity: 0..100.
        colour: Behind the subject; may be translucent.
        background: A picture behind the subject.
        preset: tuft's preset; None is the gateway's default.
        model: tuft's model; None is the preset's.
        refine: tuft's refinement; None is the preset's.
        prompt: Which subject is meant, as `tuft.Client.remove` takes it; None: what stands out.
    """

    source: Source
    size: str = "preview"
    format: Format = "auto"
    type_level: str = "1"
    roi: str | None = None
    crop: bool = False
    crop_margin: str = "0"
    scale: str = "original"
    position: str | None = None
    alpha_only: bool = False
    shadow: str | None = None
    shadow_opacity: float = 50.0
    colour: Colour | None = None
    background: Source | None = None
    preset: str | None = None
    model: str | None = None
    refine: Refinement | None = None
    prompt: tuple[Prompt, ...] | None = None

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
    _boolean(fields, "semitransparency", default=True)
    _choice(fields, "type", TYPES)
    return RemoveBgRequest(
        source=photograph_from_form(form),
        size=_choice(fields, "size", tuple(SIZES)),
        format=cast("Format", _choice(fields, "format", get_args(Format), {"jpeg": "jpg"})),
        type_level=_choice(fields, "type_level", TYPE_LEVELS),
        roi=_roi(fields),
        crop=_boolean(fields, "crop", default=False),
        crop_margin=_checked(fields, "crop_margin", "0", imaging.parse_margin),
        scale=_checked(fields, "scale", "original", imaging.parse_scale),
        position=_checked(fields, "position", None, imaging.parse_position),
        alpha_only=_choice(fields, "channels", ("rgba", "alpha")) == "alpha",
        shadow=_shadow(fields),
        shadow_opacity=_opacity(fields.get("shadow_opacity", "50")),
        colour=_colour(fields),
        background=_background(form),
        preset=_preset(fields.get("tuft_preset")),
        model=_model(fields.get("tuft_model")),
        refine=_refinement(fields.get("tuft_refine")),
        prompt=_prompt(fields),
    )


def checked_roi(roi: str | None, photo: Photo) -> str | None:
    """`roi` if it lies in the photograph; None if it is all of it.

    Raises:
        ApiError: `roi_exceeds_bounds` or `roi_region_empty`.
    """
    if roi is None:
        return None
    region, (height, width) = imaging.parse_region(roi), photo.size_hw
    try:
        box = region.box((height, width))
    except (ImageError, OptionError) as exc:
        exceeds = max(region.x1.pixels(width), region.x2.pixels(width)) > width
        exceeds |= max(region.y1.pixels(height), region.y2.pixels(height)) > height
        raise ApiError("roi_exceeds_bounds" if exceeds else "roi_region_empty", str(exc)) from exc
    return None if box == (0, 0, width, height) else roi


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


Default = TypeVar("Default", str, None)


def _checked(fields: Mapping[str, str], name: str, default: Default, parse: Callable[[str], object]) -> str | Default:
    """The text of a field that `parse` accepts."""
    text = fields.get(name, "").strip().lower()
    if not text:
        return default
    if not text.isascii():  # Python takes the digits of every script for digits
        raise ApiError(f"invalid_{name}", "Give digits from 0 to 9.")
    _parsed(text, f"invalid_{name}", parse)
    return text


def _parsed(text: str, code: str, parse: Callable[[str], Value]) -> Value:
    try:
        return parse(text)
    except OptionError as exc:
        raise ApiError(code, str(exc)) from exc


def _roi(fields: Mapping[str, str]) -> str | None:
    try:
        return _checked(fields, "roi", None, imaging.parse_region)
    except ApiError as exc:  # a region that is written correctly is refused only if it is empty
        is_region = _REGION.fullmatch(fields["roi"].strip()) is not None
        raise ApiError("roi_region_empty" if is_region else exc.code, exc.detail) from exc


def _shadow(fields: Mapping[str, str]) -> str | None:
    """The kind of shadow; the older `add_shadow` asks for the default one."""
    added = _boolean(fields, "add_shadow", default=False)
    kind = _choice(fields, "shadow_type", SHADOWS)
    if kind == "none":
        return _DEFAULT_SHADOW if added else None
    return _DEFAULT_SHADOW if kind in ("auto", "car") else kind


def _opacity(text: str) -> float:
    match = _OPACITY.fullmatch(text.strip())
    if match is None or float(match[1]) > 100:
        raise ApiError("invalid_shadow_opacity", "Give a number from 0 to 100.")
    return float(match[1])


def _colour(fields: Mapping[str, str]) -> Colour | None:
    text = fields.get("bg_color", "transparent").strip()
    return None if text.lower() == "transparent" else _parsed(text, "invalid_bg_color", imaging.parse_colour)


def _prompt(fields: Mapping[str, str]) -> tuple[Prompt, ...] | None:
    """What `tuft_points` and `tuft_box` say of the subject; None if neither is given."""
    parsers: dict[str, Callable[[str], Prompt]] = {"tuft_points": parse_points, "tuft_box": parse_box}
    texts = {name: _checked(fields, name, None, parse) for name, parse in parsers.items()}
    return tuple(parsers[name](text) for name, text in texts.items() if text) or None


def _preset(name: str | None) -> str | None:
    return None if name is None else _parsed(name.strip(), "invalid_tuft_preset", preset_from_name).name


def _model(name: str | None) -> str | None:
    if name is not None and not _MODEL.fullmatch(name.strip()):
        raise ApiError("invalid_tuft_model", "A model's name has letters, digits, and the signs _ . and -.")
    return None if name is None else name.strip()


def _refinement(name: str | None) -> Refinement | None:
    if name is not None and name.strip() not in REFINEMENTS:
        raise ApiError("invalid_tuft_refine", f"Give one of {', '.join(REFINEMENTS)}.")
    return None if name is None else cast("Refinement", name.strip())
