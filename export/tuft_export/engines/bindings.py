"""TensorRT's Python bindings, imported only to build an engine."""

from __future__ import annotations

import importlib
import re
from typing import Any, Final

from tuft_export.errors import EngineError

# 10.12 has complete strong typing and every name used here; 11 has strong typing only.
OLDEST: Final = (10, 12)

# The second is the bindings alone, for TensorRT libraries from elsewhere, as in Triton's container.
_MODULES: Final = ("tensorrt", "tensorrt_bindings")


def load_tensorrt() -> Any:
    """The module `tensorrt`.

    Raises:
        EngineError: It is not installed, cannot be loaded, or is older than `OLDEST`.
    """
    trt = _imported()
    if _version(trt.__version__) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise EngineError(
            f"TensorRT {trt.__version__} is too old, {oldest} is the oldest that will do: "
            "use Triton's container 26.06 or newer, or pip install 'tuft-matting[gpu]'."
        )
    return trt


def _imported() -> Any:
    reason: Exception | None = None
    for name in _MODULES:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as exc:  # OSError: a library that is damaged or of another machine
            reason = reason or exc
    raise EngineError(
        f"Building engines needs TensorRT: use `make engines`, which builds in Triton's container, or pip install "
        f"'tuft-matting[gpu]' ({reason})."
    ) from reason


def _version(text: str) -> tuple[int, int]:
    """Major and minor of a version such as `10.13.3.9.post1`."""
    major, minor = re.findall(r"\d+", text)[:2]
    return int(major), int(minor)
