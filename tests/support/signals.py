"""How tests handle signals: their stack, and what an interrupt does."""

from __future__ import annotations

import ctypes
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SS_DISABLE: Final = 2


class _Stack(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def handle_on_the_threads_own_stack() -> None:
    """Handles signals of this thread on its own stack from now on.

    OpenVINO sets an alternate signal stack on a thread that compiles a network, and restores the previous one when the
    network is freed. Of two networks, the one freed last restores the stack of the other, which no longer exists: the
    next Ctrl-C is a segmentation fault.
    """
    none = _Stack(None, _SS_DISABLE, 0)
    if ctypes.CDLL(None, use_errno=True).sigaltstack(ctypes.byref(none), None):
        raise OSError(ctypes.get_errno(), "sigaltstack failed")


@contextmanager
def interruptible() -> Iterator[None]:
    """Makes SIGINT raise KeyboardInterrupt, also where it is ignored, as in background jobs of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
