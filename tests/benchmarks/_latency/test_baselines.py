"""The baselines of tuft's latency."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from _latency.baselines import bare
from PIL import Image
from support.tiny import tiny_repository


def test_the_bare_network_is_the_one_that_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`model.py` of the version folder runs with its own parameters, on the photograph that it is given."""
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", None)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    repository = tiny_repository(tmp_path, model=_NOTING, configure=_in_bf16)
    version = repository / "inspyrenet_384" / "1"
    before = sorted(version.iterdir())
    run = bare(version)
    photograph = tmp_path / "photograph.jpg"
    Image.new("RGB", (60, 40), "teal").save(photograph)
    assert run(str(photograph))["network"] >= 0
    noted = (tmp_path / "noted").read_text().split()
    assert noted == ["bf16", str((1, 384, 384, 3)).replace(" ", "")]
    assert sorted(version.iterdir()) == before


def _in_bf16(configuration: object) -> None:
    configuration.parameters["precision"].string_value = "bf16"  # type: ignore[attr-defined]


_NOTING = """
import json
from pathlib import Path
import triton_python_backend_utils as pb

class TritonPythonModel:
    def initialize(self, args):
        settings = json.loads(args["model_config"])["parameters"]
        self._file = Path(args["model_repository"]).parent / "noted"
        self._file.write_text(settings["precision"]["string_value"] + " ")

    def execute(self, requests):
        (request,) = requests
        shape = pb.get_input_tensor_by_name(request, "IMAGE").as_numpy().shape
        self._file.write_text(self._file.read_text() + str(shape).replace(" ", ""))
"""
