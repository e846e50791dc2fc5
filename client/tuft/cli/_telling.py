"""Failures in one line each, on standard error."""

from __future__ import annotations

import os
import sys
import traceback

from tqdm import tqdm

from tuft.errors import TuftError


def complain(text: str) -> None:
    """One line, above a progress bar if there is one."""
    tqdm.write(f"tuft: {text}", file=sys.stderr)


def sentence(error: Exception, about: str = "") -> str:
    """The error in one line that names what it is `about`; with TUFT_DEBUG also where it comes from, below."""
    text = " ".join(str(error).split())
    if not isinstance(error, TuftError):
        text = f"unexpected {type(error).__name__} ({text}): set TUFT_DEBUG=1 to see where, and report it."
    if about not in text:
        text = f"{about}: {text}"
    return f"{text}\n{''.join(traceback.format_exception(error))}" if os.environ.get("TUFT_DEBUG") else text
