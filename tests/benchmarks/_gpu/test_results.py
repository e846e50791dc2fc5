"""The record of a run: failures, and a file that is complete at any moment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from _gpu.results import FAILED, OUT_OF_MEMORY, Results, failure

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("CUDA out of memory. Tried to allocate 20.00 GiB", OUT_OF_MEMORY),
        ("FAIL : CUDAExecutionProvider: Failed to allocate memory for requested buffer of size 9", OUT_OF_MEMORY),
        ("The GPU's memory is full (cuMemAlloc_v2): stop what else uses it", OUT_OF_MEMORY),
        ("NOT_IMPLEMENTED : Could not find an implementation for Conv(22)", FAILED),
    ],
)
def test_running_out_of_memory_is_told_from_other_failures(message: str, status: str) -> None:
    assert failure(RuntimeError(message)) == {"status": status, "reason": f"RuntimeError: {message}"}


def test_a_long_reason_keeps_its_beginning_and_its_end() -> None:
    reason = failure(ValueError("\x1b[96mbegins\x1b[0m\n" + "x" * 9000 + " ends"))["reason"]
    assert reason.startswith("ValueError: begins x")
    assert reason.endswith("x ends")
    assert len(reason) < 500


def test_results_are_whole_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gpu.json"
    results = Results(file, {"machine": {}, "settings": {}})
    results.skip("Something: install it.")
    results.parity.append({"not": object()})
    with pytest.raises(TypeError):
        results.write()
    assert json.loads(file.read_text())["skipped"] == ["Something: install it."]
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.json"]
