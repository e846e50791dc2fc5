"""A running rollout in a shared folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuft.operations.rollout import Plan
from tuft.operations.rollout.state import write_plan


@pytest.fixture
def plan() -> Plan:
    """Half of the requests of `standard` go to version 2."""
    return Plan("inspyrenet_1024.1-2", "inspyrenet_1024", "1", "2", "localhost:8001", step=3, before=2)


@pytest.fixture
def folder(tmp_path: Path, plan: Plan) -> Path:
    write_plan(tmp_path, plan)
    return tmp_path
