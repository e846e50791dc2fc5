"""The transport without a server gives the answers of Triton's Python backend, with both engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.photographs import photographs
from support.server import DemoServer

from tuft import Client, TritonTransport
from tuft_export.publishing.demo import demo_repository
from tuft_local import connect

TIMEOUT_S = 300.0


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("size", [384, 1024])
def test_the_saliency_is_that_of_the_server(
    demo_server: DemoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str, size: int
) -> None:
    monkeypatch.setenv("TUFT_ENGINE", engine)
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path))
    (picture,) = photographs(size, 1)
    server, local = TritonTransport(demo_server.url), connect(str(demo_server.repository))
    served, here = (each.infer(f"inspyrenet_{size}", picture, timeout_s=TIMEOUT_S) for each in (server, local))
    np.testing.assert_allclose(here.saliency, served.saliency, atol=1e-4)
    assert (here.model, here.version) == (served.model, served.version)
    server.close()
    local.close()


@pytest.mark.server
@pytest.mark.slow
def test_the_cut_out_and_the_published_files_are_those_of_the_server(
    demo_server: DemoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUFT_DATA", str(tmp_path / "data"))
    (photograph,) = photographs(512, 1)
    with Client(demo_server.url) as client:
        served = client.remove(photograph)
    with Client(transport=connect()) as client:
        here = client.remove(photograph)
    assert np.abs(here.rgba[..., 3].astype(int) - served.rgba[..., 3]).max() <= 1
    for name in ("model.onnx", "model.py", "../config.pbtxt", "../configs/python.pbtxt", "../warmup/image"):
        of_user = demo_repository([1024]) / "inspyrenet_1024" / "1" / name
        assert of_user.read_bytes() == (demo_server.repository / "inspyrenet_1024" / "1" / name).read_bytes()
