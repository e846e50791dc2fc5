"""Observers from settings; by default there are none, no library is needed and no port is opened."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from tuft.errors import OptionError
from tuft.operations.telemetry import Metrics, RequestLog, Traces, observers_from_settings


class NoCircuits:
    circuits: ClassVar[dict[str, str]] = {}


def test_nothing_is_watched_unless_asked() -> None:
    assert list(observers_from_settings(NoCircuits())) == []


def test_each_setting_makes_its_observer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[int] = []
    monkeypatch.setattr(Metrics, "serve", lambda self, port: ports.append(port))
    monkeypatch.setattr("tuft.operations.telemetry.from_settings.log_to", lambda target: None)
    kinds = [
        type(watcher)
        for watcher in observers_from_settings(NoCircuits(), metrics_port=8003, log="stderr", tracing=True)
    ]
    assert kinds == [Metrics, RequestLog, Traces]
    assert ports == [8003]


def test_a_wrong_setting_is_an_error_at_once() -> None:
    with pytest.raises(OptionError):
        list(observers_from_settings(NoCircuits(), metrics_port=-1))


def test_a_port_in_use_is_told_once_and_metrics_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as other, caplog.at_level(logging.WARNING, logger="tuft"):
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = int(other.getsockname()[1])
        for _ in range(3):
            (watcher,) = observers_from_settings(NoCircuits(), metrics_port=port)
            assert isinstance(watcher, Metrics)
    (record,) = caplog.records
    assert f"127.0.0.1:{port} (Address already in use): stop what listens there" in record.getMessage()


def test_importing_it_needs_no_extra() -> None:
    extras = ("prometheus_client", "opentelemetry")
    script = f"import sys, tuft.operations.telemetry; print(any(name in sys.modules for name in {extras}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
