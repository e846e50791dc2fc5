"""An experiment and its recorder, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.experiments import event

from tuft.operations.experiments import Experiment, Recorder, Variant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def experiment() -> Experiment:
    variants = (Variant("today"), Variant("larger", preset="high"))
    return Experiment("sharper", variants, control="today", planned_units=40, forced={"me": "larger"})


@pytest.fixture
def recorder(experiment: Experiment, tmp_path: Path) -> Recorder:
    return Recorder(experiment, tmp_path / "log")


@pytest.fixture
def serve(recorder: Recorder) -> Callable[..., None]:
    """Records one request of each unit: `serve(units, quality_score=...)`."""

    def serve_each(units: range | list[str], **known: Any) -> None:
        for unit in units:
            name = recorder.assign(str(unit)).name
            recorder.request_finished(event(f"{unit}-request", str(unit), variant=name, **known))

    return serve_each
