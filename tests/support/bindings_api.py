"""Reads the API of TensorRT's Python bindings: classes, their members, and the signatures of methods.

The signatures are parsed from docstrings, which pybind11 generates.
"""

from __future__ import annotations

import re
from typing import Any, TypedDict

# The classes that tuft uses; the names of some differ from the C++ headers.
CLASSES = (
    "Builder", "BuilderFlag", "DataType", "EngineInspector", "IBuilderConfig", "ICudaEngine", "IExecutionContext",
    "ILogger", "INetworkDefinition", "IOptimizationProfile", "IProgressMonitor", "ITimingCache",
    "LayerInformationFormat", "MemoryPoolType", "NetworkDefinitionCreationFlag", "OnnxParser", "ParserError",
    "ProfilingVerbosity", "Runtime", "TensorIOMode",
)  # fmt: skip

_SIGNATURE = re.compile(r"^(?:\d+\. )?\w+\((.*)\) -> (\S.*)$", re.MULTILINE)
_PARAMETER = re.compile(r"(?:^|, )(\w+):")


class Overload(TypedDict):
    """An overload of a method: names of the parameters without `self`, those with defaults, and the return type."""

    parameters: list[str]
    optional: list[str]
    returns: str


# Class -> member -> its overloads; None for members that are not callable.
Api = dict[str, dict[str, list[Overload] | None]]


def api_of(bindings: Any) -> Api:
    """Reads the API from imported bindings."""
    return {name: _members(getattr(bindings, name)) for name in CLASSES}


def _members(cls: type) -> dict[str, list[Overload] | None]:
    names = [name for name in dir(cls) if not name.startswith("_") or name == "__init__"]
    return {name: _overloads(getattr(cls, name)) for name in names}


def _overloads(member: Any) -> list[Overload] | None:
    found = _SIGNATURE.findall(getattr(member, "__doc__", None) or "")
    return [_overload(parameters, returns) for parameters, returns in found] or None


def _overload(text: str, returns: str) -> Overload:
    starts = [match.start() for match in _PARAMETER.finditer(text)]
    parts = [text[a:b].lstrip(", ") for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    names = {part.partition(":")[0]: " = " in part for part in parts}
    names.pop("self", None)
    return {
        "parameters": list(names),
        "optional": [name for name, has_default in names.items() if has_default],
        "returns": returns.rpartition(".")[2],
    }
