"""What decoders would say on stderr: they raise it as well, and a damaged photograph is no news for a server's log."""

from __future__ import annotations

import ctypes
import logging
from contextlib import suppress
from functools import cache
from importlib import import_module


@cache
def quieten() -> None:
    """From now on neither Pillow's loggers nor libtiff write to stderr unless the program asks for it.

    Pillow silences libtiff's warnings itself, but not its errors.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # no handler at all would mean stderr
    with suppress(OSError, AttributeError):  # built without libtiff
        # Pillow's own copy: a library that it brings is found through it.
        ctypes.CDLL(import_module("PIL._imaging").__file__).TIFFSetErrorHandler(None)
