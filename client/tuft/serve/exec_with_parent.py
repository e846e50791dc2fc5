"""Become another program that ends when the one that started it does: `python tied.py PARENT_PID PROGRAM ARGUMENT...`.

A file to be run, not imported: between fork and exec in a program with threads, Python code is not safe.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Ask the kernel for SIGTERM on the parent's death, then replace this process by the program."""
    parent_pid, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the kernel was asked.
    if os.getppid() == parent_pid:
        os.execv(program[0], program)


if __name__ == "__main__":
    main()
