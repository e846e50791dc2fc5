"""Lets `tuft` and its neighbours be imported on a machine with little more than torch; imported for that alone.

`import tuft.contract` runs `tuft/__init__.py`, which brings the whole client with OpenCV and tritonclient. A machine
lent for its GPU often has neither, nor tuft itself installed. There the packages are taken from this checkout, and
`tuft` is entered without its front door.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

_CHECKOUT = Path(__file__).resolve().parents[2]


def _enter() -> None:
    # After everything else: what is installed wins.
    sys.path += [str(_CHECKOUT / root) for root in ("client", "export", "training")]
    try:
        importlib.import_module("tuft")
    except ImportError:
        package = ModuleType("tuft")
        package.__path__ = [str(_CHECKOUT / "client" / "tuft")]
        package.__dict__["__version__"] = "0+unknown"
        sys.modules["tuft"] = package


_enter()
