"""Background removal that keeps every tuft of fur."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

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

try:
    __version__ = version("tuft-matting")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"

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
