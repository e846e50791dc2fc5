"""Background removal that keeps every tuft of fur.

The public names are imported when they are first used, so that `import tuft` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuft.animation import CutoutAnimation
    from tuft.async_client import AsyncClient
    from tuft.client import Client
    from tuft.concurrency import MapResult
    from tuft.cutout import Cutout
    from tuft.errors import (
        CircuitOpenError,
        ContractError,
        ImageError,
        ImageNotFoundError,
        ImageTooLargeError,
        InferenceError,
        IntegrityError,
        ModelUnavailableError,
        NoSubjectError,
        NotAnImageError,
        OptionError,
        OutputError,
        PromptError,
        PromptModelMissingError,
        RequestCancelledError,
        ServerBusyError,
        ServerError,
        ServerOutOfMemoryError,
        ServerTimeoutError,
        ServerUnreachableError,
        SetupError,
        StorageError,
        TruncatedImageError,
        TuftError,
    )
    from tuft.inference.observers import Observer, RequestEvent
    from tuft.inference.resilience import CancelToken
    from tuft.inference.transport import (
        CallOptions,
        FakeTransport,
        Inference,
        ServerInfo,
        Tensors,
        Transport,
        TritonTransport,
    )
    from tuft.operations.cache import ResultCache
    from tuft.presets import PRESETS, Preset
    from tuft.prompts import Box, Mask, Points
    from tuft.settings import Settings, load_settings

    __version__: str

__all__ = [
    "PRESETS",
    "AsyncClient",
    "Box",
    "CallOptions",
    "CancelToken",
    "CircuitOpenError",
    "Client",
    "ContractError",
    "Cutout",
    "CutoutAnimation",
    "FakeTransport",
    "ImageError",
    "ImageNotFoundError",
    "ImageTooLargeError",
    "Inference",
    "InferenceError",
    "IntegrityError",
    "MapResult",
    "Mask",
    "ModelUnavailableError",
    "NoSubjectError",
    "NotAnImageError",
    "Observer",
    "OptionError",
    "OutputError",
    "Points",
    "Preset",
    "PromptError",
    "PromptModelMissingError",
    "RequestCancelledError",
    "RequestEvent",
    "ResultCache",
    "ServerBusyError",
    "ServerError",
    "ServerInfo",
    "ServerOutOfMemoryError",
    "ServerTimeoutError",
    "ServerUnreachableError",
    "Settings",
    "SetupError",
    "StorageError",
    "Tensors",
    "Transport",
    "TritonTransport",
    "TruncatedImageError",
    "TuftError",
    "__version__",
    "load_settings",
]

_NAMES_BY_MODULE = {
    "tuft.animation": ("CutoutAnimation",),
    "tuft.async_client": ("AsyncClient",),
    "tuft.client": ("Client",),
    "tuft.concurrency": ("MapResult",),
    "tuft.cutout": ("Cutout",),
    "tuft.errors": (
        "CircuitOpenError",
        "ContractError",
        "ImageError",
        "ImageNotFoundError",
        "ImageTooLargeError",
        "InferenceError",
        "IntegrityError",
        "ModelUnavailableError",
        "NoSubjectError",
        "NotAnImageError",
        "OptionError",
        "OutputError",
        "PromptError",
        "PromptModelMissingError",
        "RequestCancelledError",
        "ServerBusyError",
        "ServerError",
        "ServerOutOfMemoryError",
        "ServerTimeoutError",
        "ServerUnreachableError",
        "SetupError",
        "StorageError",
        "TruncatedImageError",
        "TuftError",
    ),
    "tuft.inference.observers": (
        "Observer",
        "RequestEvent",
    ),
    "tuft.inference.resilience": ("CancelToken",),
    "tuft.inference.transport": (
        "CallOptions",
        "FakeTransport",
        "Inference",
        "ServerInfo",
        "Tensors",
        "Transport",
        "TritonTransport",
    ),
    "tuft.operations.cache": ("ResultCache",),
    "tuft.presets": (
        "PRESETS",
        "Preset",
    ),
    "tuft.prompts": (
        "Box",
        "Mask",
        "Points",
    ),
    "tuft.settings": (
        "Settings",
        "load_settings",
    ),
}
_MODULE_OF = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _MODULE_OF:
        value = getattr(import_module(_MODULE_OF[name]), name)
    else:
        return _submodule(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tuft-matting")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0+unknown"


def _submodule(name: str) -> Any:
    """A module such as `tuft.errors`, which `import tuft` alone is enough for."""
    if not name.startswith("_"):
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as exc:
            if exc.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
