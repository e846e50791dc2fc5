from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tuft.errors import OutputError
from tuft_export.publishing.staging import staging


def test_a_read_only_repository_is_told_without_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    version = tmp_path / "inspyrenet_384" / "1"
    told = rf"^{version} cannot be written \(Read-only file system\): check"
    with pytest.raises(OutputError, match=told), staging(version):
        raise AssertionError("unreachable")
    assert not version.parent.exists()
