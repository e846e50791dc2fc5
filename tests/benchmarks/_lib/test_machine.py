from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import psutil
import pytest
from _lib.machine import machine, machine_facts


def test_the_line_names_processor_cores_and_python() -> None:
    line = machine()
    assert f"{len(os.sched_getaffinity(0))} cores" in line
    assert line.endswith(f"Python {platform.python_version()}")


def test_the_facts_are_those_of_this_machine_and_go_into_json() -> None:
    facts = json.loads(json.dumps(machine_facts()))
    assert facts["machine"] == machine()
    assert facts["memory_bytes"] == pytest.approx(psutil.virtual_memory().total, rel=0.01)
    assert facts["versions"]["numpy"].count(".") == 2
    processor_flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    assert set(facts["flags"]) <= set(processor_flags.split())


def test_a_machine_that_tells_nothing_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("_lib.machine._CACHES", tmp_path)
    monkeypatch.setattr("_lib.machine._PACKAGES", ("no-such-package",))
    monkeypatch.setattr("_lib.machine._cpu_info", lambda _: "")
    facts = machine_facts()
    assert (facts["caches"], facts["versions"], facts["flags"]) == ({}, {}, [])
    assert facts["processor"]
