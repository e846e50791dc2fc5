"""The stack on which signals are handled."""

from __future__ import annotations

import ctypes
from typing import Final

_SS_DISABLE: Final = 2


class _Stack(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def handle_on_the_threads_own_stack() -> None:
    """From now on signals of this thread are handled on its own stack.

    OpenVINO gives a thread that compiles a network a signal stack, and takes it back when the network ends. Of two
    networks the one that ends last leaves the stack of the other, which is freed: the next Ctrl-C is a segmentation
    fault.
    """
    none = _Stack(None, _SS_DISABLE, 0)
    if ctypes.CDLL(None, use_errno=True).sigaltstack(ctypes.byref(none), None):
        raise OSError(ctypes.get_errno(), "sigaltstack failed")
