"""Background removal that keeps every tuft of fur."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from tuft.client import Client
from tuft.cutout import Cutout
from tuft.errors import (
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
    ServerBusyError,
    ServerError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
    SetupError,
    TruncatedImageError,
    TuftError,
)
from tuft.presets import PRESETS, Preset
from tuft.settings import Settings
from tuft.transport import FakeTransport, Inference, ServerInfo, Transport, TritonTransport

try:
    __version__ = version("tuft")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"

__all__ = [
    "PRESETS",
    "Client",
    "ContractError",
    "Cutout",
    "FakeTransport",
    "ImageError",
    "ImageTooLargeError",
    "Inference",
    "InferenceError",
    "IntegrityError",
    "ModelUnavailableError",
    "NoSubjectError",
    "NotAnImageError",
    "OptionError",
    "OutputError",
    "Preset",
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
]
