"""A real tritonserver with models that were pulled by their names."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import published
from support.files_over_http import files_over_http
from support.server import empty_repository

from tuft import Client
from tuft.comparison import CompareOptions, compare
from tuft.errors import OptionError
from tuft.models import MODELS, Download
from tuft.serve import ServeOptions, running_server
from tuft.settings import Settings
from tuft_export.pulling import PullOptions, pull

pytestmark = pytest.mark.server

NAMES = ("rmbg-2.0", "isnet-general-use")  # one has a dot


def test_pulled_models_are_served_and_compared_by_their_names(
    tmp_path: Path, scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    repository = empty_repository(tmp_path)
    content = published.rmbg_1_4(tmp_path / "rmbg.onnx").read_bytes()
    with files_over_http() as files:
        origin = Download(files.add("rmbg.onnx", content), sha256=hashlib.sha256(content).hexdigest())
        for name in NAMES:
            pull(replace(MODELS[name], origin=origin, size=published.SIZE), PullOptions(repository, progress=False))
    Image.fromarray(scene.rgb).save(tmp_path / "photo.png")
    Image.fromarray(np.rint(scene.alpha * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    options = ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)
    with running_server(options) as addresses:
        with Client(addresses.grpc) as client:
            cutout = client.remove(scene.rgb, model=NAMES[0])
        pictures = CompareOptions((tmp_path / "photo.png",), NAMES, tmp_path / "mask.png", tmp_path / "out")
        comparison = compare(pictures, Settings(url=addresses.grpc))
        with pytest.raises(OptionError, match="does not tell which models it has: name them with --model"):
            compare(CompareOptions((tmp_path / "photo.png",)), Settings(url=addresses.grpc))
    assert (cutout.model, cutout.model_version) == (NAMES[0], "1")
    assert np.abs(cutout.alpha / 255 - scene.alpha).mean() < 0.04
    figures = comparison.figures["photo"]
    assert figures[NAMES[0]].truth is not None
    assert figures[NAMES[0]].truth.mae == pytest.approx(np.abs(cutout.alpha / 255 - scene.alpha).mean(), abs=2e-3)
