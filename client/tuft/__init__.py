"""Background removal that keeps every tuft of fur."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from tuft.cache import ResultCache
from tuft.client import Client
from tuft.cutout import Cutout
from tuft.errors import (
    CircuitOpenError,
    ContractError,
    ImageError,
    ImageTooLargeError,
    InferenceError,
    IntegrityError,
    ModelUnavailableError,
    NoSubjectError,
    NotAnImageError,
    OptionError,
    OutputError,
    RequestCancelledError,
    ServerBusyError,
    ServerError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
    SetupError,
    TruncatedImageError,
    TuftError,
)
from tuft.many import MapResult
from tuft.observing import Observer, RequestEvent
from tuft.presets import PRESETS, Preset
from tuft.resilience import CancelToken
from tuft.settings import Settings, load_settings
from tuft.transport import CallOptions, FakeTransport, Inference, ServerInfo, Transport, TritonTransport

try:
    __version__ = version("tuft")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"

__all__ = [
    "PRESETS",
    "CallOptions",
    "CancelToken",
    "CircuitOpenError",
    "Client",
    "ContractError",
    "Cutout",
    "FakeTransport",
    "ImageError",
    "ImageTooLargeError",
    "Inference",
    "InferenceError",
    "IntegrityError",
    "MapResult",
    "ModelUnavailableError",
    "NoSubjectError",
    "NotAnImageError",
    "Observer",
    "OptionError",
    "OutputError",
    "Preset",
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
    "Transport",
    "TritonTransport",
    "TruncatedImageError",
    "TuftError",
    "__version__",
    "load_settings",
]
