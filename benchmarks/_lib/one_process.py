"""A measurement in a process of its own: started for it, asked once, and gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def answer_of(script: str, kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What `python SCRIPT KIND JSON` prints last, which is JSON.

    Args:
        script: The name of a file beside this one.
        kind: What is measured.
        options: How.

    Raises:
        SystemExit: It has failed, and said why.
    """
    command = [sys.executable, str(Path(__file__).with_name(script)), kind, json.dumps(options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    if done.returncode:
        raise SystemExit(
            f"{kind} {json.dumps(options)} failed ({done.returncode}): see above, or leave that point out."
        )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
