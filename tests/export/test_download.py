from __future__ import annotations

import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tuft_export.download import download
from tuft_export.errors import CheckpointError

FULL = OSError(28, "No space left on device", "/cache/base.partial")
UNKNOWN_HOST = urllib.error.URLError(OSError(-2, "Name or service not known"))


@pytest.mark.parametrize(
    ("failure", "told"),
    [(FULL, "No space left on device"), (UNKNOWN_HOST, "Name or service not known"), (OSError("cut off"), "cut off")],
)
def test_a_failure_is_told_in_words(
    failure: OSError, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    with pytest.raises(CheckpointError, match=re.escape(f"base.pth could not be downloaded ({told}): check the con")):
        download("http://weights.example/base.pth", tmp_path / "base.pth", progress=False)
