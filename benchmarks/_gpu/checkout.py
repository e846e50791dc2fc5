"""Makes tuft's packages importable on a machine with little more than torch. Imported for this side effect alone.

`import tuft.contract` runs `tuft/__init__.py`, which imports the whole client with OpenCV and tritonclient. A GPU
machine often has neither, nor tuft itself. In that case the packages come from this checkout, and `tuft` is replaced by
an empty package with the same path.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

_CHECKOUT = Path(__file__).resolve().parents[2]


def _enter() -> None:
    # Last, so that installed packages take precedence.
    sys.path += [str(_CHECKOUT / root) for root in ("client", "export", "runtime", "training")]
    try:
        importlib.import_module("tuft")
    except ImportError:
        package = ModuleType("tuft")
        package.__path__ = [str(_CHECKOUT / "client" / "tuft")]
        package.__dict__["__version__"] = "0+unknown"
        sys.modules["tuft"] = package


_enter()
