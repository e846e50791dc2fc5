"""A client's settings: what holds unless the environment says otherwise, and the call has the last word."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tuft import images
from tuft.errors import OptionError
from tuft.presets import DEFAULT_PRESET, preset_from_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Settings:
    """What a client uses for every request that does not say otherwise.

    Attributes:
        url: Address of the server's gRPC port.
        preset: One of `tuft.PRESETS`.
        timeout_s: Seconds that the server may take for one photograph, smaller presets tried in turn included.
        max_pixels: Photographs with more pixels are refused before they are decoded.
        fallback: Whether a smaller preset may serve when the server is out of memory or busy.

    Raises:
        OptionError: A value is out of its range.
    """

    url: str = "localhost:8001"
    preset: str = DEFAULT_PRESET
    timeout_s: float = 120.0
    max_pixels: int = images.MAX_PIXELS
    fallback: bool = True

    def __post_init__(self) -> None:
        preset_from_name(self.preset)
        if not (self.timeout_s > 0 and math.isfinite(self.timeout_s)):
            raise OptionError(f"A timeout of {self.timeout_s} s is none: give a number of seconds above zero.")
        if self.max_pixels < 1:
            raise OptionError(f"A limit of {self.max_pixels} pixels lets nothing pass: give a number above zero.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The defaults, changed by the environment variables of `VARIABLES`; one that is empty counts as unset.

        Args:
            environment: `os.environ` by default.

        Raises:
            OptionError: A variable does not hold what it should.
        """
        environment = os.environ if environment is None else environment
        return cls(
            **{
                name: _parsed(variable, environment[variable], parse)
                for name, (variable, parse) in VARIABLES.items()
                if environment.get(variable)
            }
        )

    def overridden(self, **arguments: Any) -> Settings:
        """These settings with other values for the attributes named, except where the value is None.

        Raises:
            OptionError: A value is out of its range.
        """
        return replace(self, **{name: value for name, value in arguments.items() if value is not None})


def _yes_or_no(text: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]


# Attribute of Settings -> the environment variable that sets it, and how its text is read.
VARIABLES: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = MappingProxyType(
    {
        "url": ("TUFT_URL", str),
        "preset": ("TUFT_PRESET", str),
        "timeout_s": ("TUFT_TIMEOUT_S", float),
        "max_pixels": ("TUFT_MAX_PIXELS", int),
        "fallback": ("TUFT_FALLBACK", _yes_or_no),
    }
)
_KINDS: Final[Mapping[Callable[[str], Any], str]] = MappingProxyType(
    {float: "a number", int: "a whole number", _yes_or_no: "yes or no"}
)


def _parsed(variable: str, text: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(text.strip())
    except (ValueError, KeyError) as exc:
        raise OptionError(f"{variable} is {text!r}: set it to {_KINDS[parse]}, or unset it.") from exc
