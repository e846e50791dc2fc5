"""Values of settings out of the text of a variable and the values of a TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_origin, get_type_hints

from tuft.errors import OptionError
from tuft.settings.values import Settings

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Kind:
    """A kind of value: what people call it, how text becomes it, and what TOML has to hold.

    Attributes:
        name: As in "set it to <name>".
        parse: From the text of a variable; raises ValueError.
        toml: The types of TOML that hold it.
        convert: From such a value.
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
    """The value of the setting `name` in the text of an environment variable.

    Raises:
        OptionError: It does not hold what it should.
    """
    try:
        return KINDS[name].parse(text.strip())
    except ValueError as exc:
        raise OptionError(f"{variable} is {text!r}: set it to {KINDS[name].name}, or unset it.") from exc


def value_from_toml(name: str, value: Any, file: str) -> Any:
    """The value of the setting `name` in a TOML file.

    Raises:
        OptionError: It is of another type.
    """
    kind = KINDS[name]
    # In Python, True is an int.
    if not isinstance(value, kind.toml) or (isinstance(value, bool) and bool not in kind.toml):
        expected = {"yes or no": "true or false", "names, separated by commas": "a list of names"}
        raise OptionError(f"{name} is {value!r} in {file}: set it to {expected.get(kind.name, kind.name)}.")
    return kind.convert(value)
