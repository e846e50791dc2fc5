"""What benchmarks need beyond the client: `--help` answers without it, a run without it ends in one sentence.

Imported first by every script. It also makes `tuft_training` importable, which is not in the wheel.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_TRAINING: Final = Path(__file__).parents[2] / "training"
_EXTRAS: Final = {
    "av": "video",
    "matplotlib": "training",
    "onnx": "export",
    "onnxruntime": "export",
    "onnxscript": "export",
    "openvino": "server",
    "pyarrow": "buckets",
    "ray": "ray",
    "simpy": "dev",
    "prometheus_client": "metrics",
    "psutil": "dev",
    "pymatting": "dev",
    "safetensors": "export",
    "scipy": "experiments",
    "skimage": "demo",
    "torch": "export",
    "torchvision": "dev",
    "transparent_background": "dev",
}
_HELP: Final = frozenset({"-h", "--help"})


@contextlib.contextmanager
def packages() -> Iterator[None]:
    """Imports in this block need packages that may be missing; `--help` goes on without what they define."""
    try:
        yield
    except ModuleNotFoundError as error:
        if _remedy(error) is None or not _HELP.intersection(sys.argv[1:]):
            raise


def _remedy(error: ModuleNotFoundError) -> str | None:
    """One sentence about a missing package; None if it is no package that benchmarks need."""
    package = (error.name or "").partition(".")[0]
    if package == "tuft_training":
        return "This benchmark needs tuft_training, which is not in the wheel: run it in a checkout of tuft."
    if package not in _EXTRAS:
        return None
    return f"This benchmark needs {package}, which is not installed: pip install 'tuft-matting[{_EXTRAS[package]}]'."


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    remedy = _remedy(error) if isinstance(error, ModuleNotFoundError) else None
    if remedy is None:
        sys.__excepthook__(kind, error, trace)
    else:
        print(remedy, file=sys.stderr)


sys.excepthook = _told
if str(_TRAINING) not in sys.path:
    sys.path.append(str(_TRAINING))
