"""The options of one request, typed once: for `remove`, `map`, the command line and everything that hands them on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from PIL import Image

from tuft.errors import OptionError
from tuft.inference.resilience import require_token
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuft.imaging import Lengths
    from tuft.inference.resilience import CancelToken
    from tuft.presets import Refinement
    from tuft.prompts import Prompt


class RemoveOptions(TypedDict, total=False):
    """The keyword arguments of `tuft.Client.remove`, which describes them."""

    size: int | None
    model: str | None
    version: str
    refine: Refinement | None
    roi: Lengths | None
    prompt: Prompt | Sequence[Prompt] | None
    timeout_s: float | None
    fallback: bool | None
    cancel: CancelToken | None
    unit: str | None


def require_option_types(*, model: object, version: object, cancel: object, unit: object) -> None:
    """Checks the options that nothing else checks before they are sent.

    Raises:
        OptionError: One has the wrong type.
    """
    for name, value in (("model", model), ("version", version), ("unit", unit)):
        if value is not None and not isinstance(value, str):
            raise OptionError(f"{name} is {shown(repr(value))}: give a text, such as {str(value)[:20]!r}.")
    if cancel is not None:
        require_token(cancel)


def require_known(options: Mapping[str, object]) -> None:
    """Checks the names of `RemoveOptions`, before any work is begun.

    Raises:
        TypeError: One is none of them.
    """
    unknown = options.keys() - RemoveOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"remove() got an unexpected keyword argument {min(unknown)!r}")


def require_many(photographs: object) -> None:
    """Checks that `photographs` are several: a string, a file or an array would be taken apart.

    Raises:
        OptionError: It is a single photograph, or nothing that can be iterated over.
    """
    single = isinstance(photographs, str | os.PathLike | bytes | bytearray | memoryview | Image.Image)
    single = single or hasattr(photographs, "read") or (isinstance(photographs, np.ndarray) and photographs.ndim < 4)
    if single or not isinstance(photographs, Iterable):
        kind = type(photographs).__name__
        raise OptionError(f"map takes many photographs, and a {kind} is none or one: give a list, or use remove.")
