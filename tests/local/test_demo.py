"""The demo is published in the user's data folder at first use, by any number of processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.photographs import photographs
from support.tiny import tiny_repository

import tuft_runtime
from tuft.errors import OutputError
from tuft.files import data_folder
from tuft.provenance import check_repository
from tuft_export.checkpoints import CHECKPOINTS
from tuft_export.errors import PublishError
from tuft_export.graphs.provider import GraphSource
from tuft_export.parity.ort_session import Saliency
from tuft_export.publishing.demo import demo_repository
from tuft_local import connect

TIMEOUT_S = 300.0


def test_it_is_published_when_it_is_needed_and_computes_the_demos_graph() -> None:
    transport = connect()
    assert transport.ready_models() == tuple(f"inspyrenet_{size}" for size in (384, 1024, 1536, 2048))
    assert not data_folder().exists()
    picture = photographs(384, 1)
    answer = transport.infer("inspyrenet_384", picture[0], timeout_s=TIMEOUT_S)
    whole = Saliency(GraphSource(CHECKPOINTS["demo"]).graph(384, None))
    np.testing.assert_allclose(answer.saliency, whole(picture)[0], atol=1e-4)
    (repository,) = data_folder().iterdir()
    assert [path.name for path in repository.iterdir()] == ["inspyrenet_384"]
    assert [record.model for record in check_repository(repository)] == ["inspyrenet_384"]
    transport.close()


def test_what_the_user_has_published_comes_first() -> None:
    tiny_repository(data_folder() / "model_repository", sizes=(384,))
    transport = connect()
    picture = photographs(384, 1)
    answer = transport.infer("inspyrenet_384", picture[0], timeout_s=TIMEOUT_S)
    np.testing.assert_allclose(answer.saliency, picture[0].mean(axis=-1) / 255, atol=1e-6)
    assert transport.ready_versions("inspyrenet_1024") == ("1",)  # the demo's
    transport.close()


def test_processes_that_make_it_at_once_leave_one_whole_repository() -> None:
    program = "from tuft_export.publishing.demo import demo_repository; print(demo_repository([384]))"
    roots = [str(Path(module.__file__).parents[1]) for module in (sys.modules["tuft"], sys.modules["tuft_export"])]
    roots.append(str(Path(tuft_runtime.__file__).parents[1]))
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {roots!r}; {program}"]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = {run.communicate()[0].strip() for run in runs}
    assert [run.returncode for run in runs] == [0, 0, 0]
    (repository,) = map(Path, printed)
    assert sorted(path.name for path in repository.iterdir()) == ["inspyrenet_384", "matting"]
    assert len(check_repository(repository)) == 2


def test_a_model_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = demo_repository([384])
    monkeypatch.setattr("tuft_export.publishing.demo.publish", None)
    assert demo_repository([384]) == first


@pytest.mark.parametrize("module", ["onnx", "safetensors"])
def test_what_publishing_it_needs_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PublishError, match=rf"needs {module}: pip install 'tuft-matting\[server\]'\.$"):
        demo_repository([384])


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUFT_DATA", str(tmp_path / "file"))
    with pytest.raises(
        OutputError, match=r"^The folder .*file/demo-\w+ cannot be made .*: name another place with TUFT_DATA\.$"
    ):
        demo_repository([384])
