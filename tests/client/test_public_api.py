from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

import tuft

# A change here is a change for everybody who uses tuft: it belongs in the CHANGELOG.
GOLDEN = [
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


def test_the_public_names_are_these() -> None:
    assert tuft.__all__ == GOLDEN


def test_each_exists_and_is_documented() -> None:
    for name in GOLDEN:
        value = getattr(tuft, name)
        if isinstance(value, type):
            assert value.__doc__


def test_all_errors_are_public() -> None:
    errors = {name for name in vars(tuft.errors) if name.endswith("Error")}
    assert errors <= set(tuft.__all__)


def test_every_public_method_is_documented() -> None:
    for name in GOLDEN:
        value = getattr(tuft, name)
        for attribute, member in vars(value).items() if isinstance(value, type) else ():
            if callable(member) and not attribute.startswith("_"):
                assert member.__doc__, f"{name}.{attribute}"


def test_there_is_a_version() -> None:
    try:
        from importlib.metadata import version

        assert tuft.__version__ == version("tuft-matting")
    except PackageNotFoundError:
        assert tuft.__version__ == "0+unknown"
    with pytest.raises(AttributeError):
        _ = tuft.nonsense  # type: ignore[attr-defined]
