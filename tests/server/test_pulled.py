"""A real tritonserver with a model that was pulled by its name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import published
from support.files_over_http import files_over_http
from support.server import empty_repository

from tuft import Client
from tuft.models import MODELS, Download
from tuft.serve import ServeOptions, running_server
from tuft_export.pulling import PullOptions, pull

pytestmark = pytest.mark.server

NAME = "rmbg-2.0"


def test_a_pulled_model_is_served_by_its_name(tmp_path: Path, scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    repository = empty_repository(tmp_path)
    content = published.rmbg_1_4(tmp_path / "rmbg.onnx").read_bytes()
    with files_over_http() as files:
        origin = Download(files.add("rmbg.onnx", content), sha256=hashlib.sha256(content).hexdigest())
        pull(replace(MODELS[NAME], origin=origin, size=published.SIZE), PullOptions(repository, progress=False))
    options = ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)
    with running_server(options) as addresses, Client(addresses.grpc) as client:
        cutout = client.remove(scene.rgb, model=NAME)
    assert (cutout.model, cutout.model_version) == (NAME, "1")
    assert np.abs(cutout.alpha / 255 - scene.alpha).mean() < 0.04
