"""Parses the values of settings from environment variables and TOML files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_origin, get_type_hints

from tuft.errors import OptionError
from tuft.settings.values import SECRETS, Settings
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Kind:
    """A type of setting.

    Attributes:
        name: Its name in messages, as in "set it to <name>".
        parse: Converts the text of a variable; raises ValueError.
        toml: The accepted types in a TOML file.
        convert: Converts a value of such a type.
    """

    name: str
    parse: Callable[[str], Any]
    toml: tuple[type, ...]
    convert: Callable[[Any], Any]


def _yes_or_no(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in known:
        raise ValueError(text)
    return known[text.lower()]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


_KINDS: Final = {
    str: Kind("a text", str, (str,), str),
    float: Kind("a number", float, (int, float), float),
    int: Kind("a whole number", int, (int,), int),
    bool: Kind("yes or no", _yes_or_no, (bool,), bool),
    tuple: Kind("names, separated by commas", _words, (list,), tuple),
}
KINDS: Final = {
    name: _KINDS[get_origin(annotation) or annotation] for name, annotation in get_type_hints(Settings).items()
}


def value_from_text(name: str, text: str, variable: str) -> Any:
    """Parses the setting `name` from the text of an environment variable.

    Raises:
        OptionError: The text is not a value of the setting's type.
    """
    try:
        return KINDS[name].parse(text.strip())
    except ValueError as exc:
        raise OptionError(f"{variable} is {shown(repr(text))}: set it to {KINDS[name].name}, or unset it.") from exc


def value_from_toml(name: str, value: Any, file: str) -> Any:
    """Converts the setting `name` from its value in a TOML file.

    Raises:
        OptionError: The value has the wrong type.
    """
    kind = KINDS[name]
    # In Python, True is an int.
    if not isinstance(value, kind.toml) or (isinstance(value, bool) and bool not in kind.toml):
        expected = {"yes or no": "true or false", "names, separated by commas": "a list of names"}
        given = "of another type" if name in SECRETS else shown(repr(value))
        raise OptionError(f"{name} is {given} in {file}: set it to {expected.get(kind.name, kind.name)}.")
    return kind.convert(value)
