"""Sources of settings in order of increasing precedence: defaults, a TOML file, the environment, arguments."""

from __future__ import annotations

import difflib
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tuft.errors import OptionError
from tuft.files import config_folder
from tuft.settings.parsing import value_from_text, value_from_toml
from tuft.settings.values import NAMES, Settings
from tuft.text import shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE_PREFIX: Final = "TUFT_"
CONFIG_VARIABLE: Final = "TUFT_CONFIG"
WORKING_DIRECTORY_FILE: Final = "tuft.toml"
USER_FILE: Final = "config.toml"  # in `tuft.files.config_folder`

VARIABLES: Final[Mapping[str, str]] = MappingProxyType({name: f"{VARIABLE_PREFIX}{name.upper()}" for name in NAMES})

DEFAULT_ORIGIN: Final = "default"
_ARGUMENT: Final = "argument"


@dataclass(frozen=True)
class Resolved:
    """Settings and their origins.

    Attributes:
        settings: The effective settings.
        origins: From the name of each setting to `default`, `file ...`, `variable ...` or `argument`.
        file: The configuration file that was read; None if there is none.
    """

    settings: Settings = field(default_factory=Settings)
    origins: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(NAMES, DEFAULT_ORIGIN))
    file: Path | None = None

    def overlaid(self, values: Mapping[str, Any], origins: Mapping[str, str]) -> Resolved:
        """A copy in which `values`, which come from `origins`, take precedence; None counts as not given.

        Raises:
            OptionError: A value is out of range; the message names its origin.
        """
        given = {name: value for name, value in values.items() if value is not None}
        try:
            settings = replace(self.settings, **given)
        except OptionError as error:
            places = ", ".join(dict.fromkeys(origins[name] for name in given))
            if places == _ARGUMENT:
                raise
            raise OptionError(f"{str(error).rstrip('.')} ({places}).") from error
        return replace(self, settings=settings, origins={**self.origins, **{name: origins[name] for name in given}})


def load_settings(config: str | os.PathLike[str] | None = None, **arguments: Any) -> Settings:
    """Loads settings: the defaults, overridden by a file, by environment variables and by `arguments`, in this order.

    One file is read: `config`, or the one that `TUFT_CONFIG` names, or `tuft.toml` in the working directory, or
    `tuft/config.toml` in `$XDG_CONFIG_HOME` (`~/.config` by default). The environment variable of a setting `name` is
    `TUFT_NAME`; an empty variable counts as unset.

    Args:
        config: A TOML file whose keys are attributes of `Settings`.
        **arguments: Attributes of `Settings`; None counts as not given.

    Raises:
        OptionError: A source has an invalid value; the message names the source.
    """
    if config is not None and not isinstance(config, str | os.PathLike):
        raise OptionError(f"config is {shown(repr(config))}: give the path of a TOML file.")
    return resolve(arguments, config=None if config is None else Path(config)).settings


def resolve(
    arguments: Mapping[str, Any],
    *,
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Resolved:
    """Like `load_settings`, but with the origin of each setting.

    Args:
        arguments: From names of settings to values; None counts as not given.
        config: The configuration file to read instead of the usual ones.
        environment: `os.environ` by default.

    Raises:
        OptionError: A source has an invalid value; the message names the source.
    """
    environment = os.environ if environment is None else environment
    resolved = Resolved()
    file = config or _config_file(environment)
    if file is not None:
        file = file.absolute()
        in_file = _read(file)
        resolved = replace(resolved, file=file).overlaid(in_file, dict.fromkeys(in_file, f"file {file}"))
    for name, variable in VARIABLES.items():
        if environment.get(variable):
            value = value_from_text(name, environment[variable], variable)
            resolved = resolved.overlaid({name: value}, {name: f"variable {variable}"})
    return resolved.overlaid(arguments, dict.fromkeys(arguments, _ARGUMENT))


def misspelt_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Maps variables that have no effect to the variables that were probably meant.

    This is only a hint: other programs may use variables that begin with `TUFT_`. Kubernetes, for example, sets them in
    each container if there is a service called tuft.
    """
    known = tuple(VARIABLES.values())
    others = (name for name in environment if name.startswith(VARIABLE_PREFIX) and name not in known)
    return {name: near for name in others if (near := _nearest(name, known, cutoff=0.85)) is not None}


def _nearest(name: str, known: tuple[str, ...], cutoff: float = 0.6) -> str | None:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), None)


def _config_file(environment: Mapping[str, str]) -> Path | None:
    if environment.get(CONFIG_VARIABLE):
        return Path(environment[CONFIG_VARIABLE])
    candidates = (Path(WORKING_DIRECTORY_FILE), config_folder(environment) / USER_FILE)
    return next((path for path in candidates if path.is_file()), None)


def _read(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except OSError as exc:
        remedy = f"give another with --config or {CONFIG_VARIABLE}"
        raise OptionError(f"The configuration {file} cannot be read ({exc.strerror}): {remedy}.") from exc
    except ValueError as exc:  # UnicodeDecodeError and TOMLDecodeError are ValueErrors
        raise OptionError(f"The configuration {file} is not TOML ({_first_line(exc)}): correct it.") from exc
    for name in table:
        if name not in NAMES:
            near = _nearest(name, NAMES)
            remedy = "`tuft config` lists those there are" if near is None else f"write {near}"
            raise OptionError(f"{file} sets {name}, which is no setting: {remedy}.")
    return {name: value_from_toml(name, value, str(file)) for name, value in table.items()}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
