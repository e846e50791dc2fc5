"""Executes a program that ends with its parent: `python exec_with_parent.py PARENT_PID PROGRAM ARGUMENT...`.

Run as a program of its own, because Python code between fork and exec (`preexec_fn`) is unsafe in a program with
threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Requests SIGTERM on the parent's death, then replaces this process with the program."""
    parent_pid, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the call to prctl.
    if os.getppid() == parent_pid:
        os.execv(program[0], program)


if __name__ == "__main__":
    main()
