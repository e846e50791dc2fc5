"""Quality presets: frozen values, the named ones, and how one request overrides them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from numbers import Integral
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, get_args

from tuft import contract
from tuft.errors import OptionError
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

Resize = Literal["static", "dynamic"]
Refinement = Literal["none", "edges", "edges+colours", "matting"]
PresetName = Literal["stable", "express", "standard", "high", "maximum", "auto"]
FallbackCause = Literal["memory", "busy", "timeout", "circuit", "missing"]

RESIZES: Final = get_args(Resize)
REFINEMENTS: Final = get_args(Refinement)
FALLBACK_CAUSES: Final = get_args(FallbackCause)


@dataclass(frozen=True)
class Preset:
    """How one photograph is processed; `tuft.Client.remove` takes the name of one of `PRESETS`, or a value of your own.

    Attributes:
        name: Its name in results, logs and metrics.
        size: Working size of the network in pixels, one of `tuft.contract.SIZES`; None chooses by the photograph's
            long side.
        resize: `static` squashes the photograph to a square; `dynamic` keeps its aspect ratio. A model that states the
            mode it was trained with is given its own.
        refine: Refinement at the photograph's own resolution, after the network. `matting` is the matting stage where
            the server has it, else as `edges+colours`.
        summary: One line of description.
        reference: Whether saliency is scaled, resized and rounded exactly as transparent-background 1.3.4 does it.
        limited: Whether a smaller size serves where the server states that the checkpoint gains nothing from more.

    Raises:
        OptionError: There is no such size, resize mode or refinement.
    """

    name: str
    size: int | None = 1024
    resize: Resize = "static"
    refine: Refinement = "edges+colours"
    summary: str = ""
    reference: bool = False
    limited: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and not (isinstance(self.size, Integral) and self.size in contract.SIZES):
            raise OptionError(
                f"There is no working size {shown(repr(self.size))}: choose one of {_listed(contract.SIZES)}."
            )
        if self.resize not in RESIZES:
            raise OptionError(f"There is no resize {shown(repr(self.resize))}: choose one of {_listed(RESIZES)}.")
        if self.refine not in REFINEMENTS:
            raise OptionError(
                f"There is no refinement {shown(repr(self.refine))}: choose one of {_listed(REFINEMENTS)}."
            )


def _listed(values: tuple[object, ...]) -> str:
    return ", ".join(str(value) for value in values)


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                "stable",
                1024,
                "static",
                "none",
                "what transparent-background does: the rollback target",
                reference=True,
            ),
            Preset("express", 384, "static", "matting", "fast on a CPU: the subject at 384, its edges at full size"),
            Preset("standard", 1024, "static", "edges+colours", "the default"),
            Preset("high", 1536, "dynamic", "edges+colours", "larger, aspect ratio kept", limited=True),
            Preset("maximum", 2048, "dynamic", "matting", "largest: every hair that can be had", limited=True),
            Preset("auto", None, "dynamic", "edges+colours", "the size follows the photograph", limited=True),
        )
    }
)

DEFAULT_PRESET: Final = "standard"

# The preset that serves when another one cannot.
STEP_DOWN: Final[Mapping[str, str]] = MappingProxyType({"maximum": "high", "high": "standard"})
LAST_RESORT: Final = "stable"


def preset_from_name(name: str, *, size: int | None = None, refine: Refinement | None = None) -> Preset:
    """The preset called `name`, with the overrides of one request; see `overridden`.

    Raises:
        OptionError: There is no such preset, size or refinement.
    """
    if not isinstance(name, str) or name not in PRESETS:
        near = difflib.get_close_matches(shown(name), PRESETS, n=1)
        suggested = f"write {near[0]}, or " if near else ""
        known = _listed(tuple(PRESETS))
        raise OptionError(f"There is no preset {shown(repr(name))}: {suggested}choose one of {known}.")
    return overridden(PRESETS[name], size=size, refine=refine)


def overridden(preset: Preset, *, size: int | None = None, refine: Refinement | None = None) -> Preset:
    """`preset` with the overrides of one request; those that are None change nothing.

    Args:
        preset: The preset.
        size: Another working size in pixels, one of `tuft.contract.SIZES`; it holds whatever the checkpoint gains.
        refine: Another refinement.

    Raises:
        OptionError: There is no such size or refinement.
    """
    if size is not None:
        preset = replace(preset, size=size, limited=False)
    if refine is not None:
        preset = replace(preset, refine=refine)
    return preset


def working_size(preset: Preset, size_hw: tuple[int, int]) -> int:
    """The network's working size in pixels for a photograph of `size_hw` (height, width)."""
    if preset.size is not None:
        return preset.size
    long_side = max(size_hw)
    return 1024 if long_side <= 1024 else 1536 if long_side <= 2048 else 2048


def within(preset: Preset, size_hw: tuple[int, int], best_size: int) -> Preset:
    """`preset` for a photograph of `size_hw`, at the largest working size that is not above `best_size`.

    Size and resize mode are those of the named preset of that size.
    """
    largest = max((size for size in contract.SIZES if size <= best_size), default=contract.SIZES[0])
    if working_size(preset, size_hw) <= largest:
        return preset
    named = next(named for named in PRESETS.values() if named.size == largest and not named.reference)
    return replace(preset, size=named.size, resize=named.resize)


def smaller_presets(asked: Preset, size_hw: tuple[int, int], *, stable_last: bool = False) -> tuple[Preset, ...]:
    """The presets that may serve instead of `asked`, the largest first.

    These are the named ones below its working size, refined as `asked` is.

    Args:
        asked: The preset that was asked for.
        size_hw: Height and width of the photograph in pixels.
        stable_last: Whether `stable`, unchanged, comes last.
    """
    size = working_size(asked, size_hw)
    name = next((name for name in STEP_DOWN if PRESETS[name].size == size), "")
    names = []
    while name in STEP_DOWN:
        name = STEP_DOWN[name]
        names.append(name)
    smaller = tuple(replace(PRESETS[name], refine=asked.refine) for name in names)
    last = PRESETS[LAST_RESORT]
    return (*smaller, last) if stable_last and not asked.reference else smaller
