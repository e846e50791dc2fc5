"""Extracts the causes of a failure from tritonserver's log, or from its reply to a load request."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

# E1123 18:28:25.374154 8043 model_lifecycle.cc:642] "failed to load 'inspyrenet_384' version 1: Internal: ..."
ERROR_LINE: Final = re.compile(r'^E\d{4} [\d:.]+ \d+ \S+\] "(?P<message>.*?)\s*"$')

# Most specific first: errors of a model, then of the server, then of the dynamic loader.
SPECIFIC: Final = (
    re.compile(r"failed to load '.+' version \d+: (?:[A-Z][a-z ]+: )?(?P<reason>.+)"),
    re.compile(r"failed to load model '.+': (?P<reason>.+)"),
    re.compile(r"Poll failed for model directory (?P<reason>.+)"),
    re.compile(r"(?P<reason>failed to start .+)"),
)
OTHER: Final = (
    re.compile(r"(?P<reason>\S+: error while loading shared libraries: .+)"),
    re.compile(r"error: (?P<reason>.+)"),
)

# {"error":"load failed for model 'inspyrenet_384': version 1 is at UNAVAILABLE state: Internal: ...;\n"}
LOAD_REPLY: Final = re.compile(
    r"load failed for model '.+?': (?:version \d+ is at UNAVAILABLE state: )?(?:[A-Z][a-z ]+: )?(?P<reason>.+)",
    re.DOTALL,
)

LONGEST: Final = 500


def errors_from_log(log_file: Path) -> tuple[str, ...]:
    """The causes of a failure, each one line without a traceback, in the order of the log.

    Args:
        log_file: The output of tritonserver.

    Returns:
        Empty if the log names no cause.
    """
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    messages = [match["message"] for line in lines if (match := ERROR_LINE.match(line))]
    for pattern, texts in [(pattern, messages) for pattern in SPECIFIC] + [(pattern, lines) for pattern in OTHER]:
        found = [_one_line(match["reason"]) for text in texts if (match := pattern.match(text))]
        if found:
            return tuple(dict.fromkeys(found))
    return ()


def error_from_reply(reply: bytes) -> str:
    """Why a running server cannot load a model, one line without a traceback, from its reply over HTTP."""
    try:
        message = str(json.loads(reply)["error"])
    except (ValueError, KeyError, TypeError):
        message = reply.decode(errors="replace")
    match = LOAD_REPLY.match(message)
    reason = (match["reason"] if match else message).strip("; .\n").replace("\n", r"\n")
    return _one_line(reason).strip("; .") or "it gives no reason"


def _one_line(message: str) -> str:
    """Unescapes the line breaks and quotes of `message`, and drops the traceback that may follow."""
    text = message.split(r"\n\nAt:")[0].replace(r"\n", " ").replace(r"\"", '"')
    text = " ".join(text.replace("TritonModelException: ", "").split())
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."
