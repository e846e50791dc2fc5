"""TensorRT is found, refused when too old, and missed in one sentence."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from tuft_export.engines.bindings import load_tensorrt
from tuft_export.errors import EngineError


def module(version: str) -> ModuleType:
    made = ModuleType("tensorrt")
    made.__dict__["__version__"] = version
    return made


@pytest.mark.parametrize("version", ["10.12.0.36", "10.13.3.9.post1", "11.4.0.106", "12.0.0"])
def test_new_enough(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", module(version))
    assert load_tensorrt().__version__ == version


@pytest.mark.parametrize("version", ["8.6.1.post1", "10.2.0", "10.11.0.33", "9.15.0"])
def test_too_old(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", module(version))
    with pytest.raises(EngineError, match=rf"{version} is too old, 10\.12 .* Triton's container 26\.06"):
        load_tensorrt()


def test_the_bindings_alone_will_do(bindings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Triton's container the libraries are the system's."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert load_tensorrt() is bindings


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_bindings", None)
    with pytest.raises(
        EngineError, match=r"needs TensorRT: use `make engines`.*pip install 'tuft-matting\[gpu\]'"
    ) as caught:
        load_tensorrt()
    assert "\n" not in str(caught.value)


def test_libraries_of_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError("wrong ELF class")

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(EngineError, match="wrong ELF class"):
        load_tensorrt()
