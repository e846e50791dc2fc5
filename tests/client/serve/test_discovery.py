from __future__ import annotations

from pathlib import Path

import pytest

from tuft.contract import RUNTIMES
from tuft.errors import SetupError
from tuft.serve import discovery
from tuft.serve.discovery import adopted_models, published_sizes, runtime_to_serve, sizes_to_serve

ONNX = ("model.onnx",)
PYTHON = ("model.onnx", "model.py")
PLAN = ("model.plan",)


def publish(repository: Path, size: int, files: tuple[str, ...], version: str = "1") -> None:
    folder = repository / f"inspyrenet_{size}" / version
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).touch()


@pytest.mark.parametrize(
    ("files", "runtimes"),
    [
        (PLAN, {"tensorrt"}),
        (("model_sm89.plan",), {"tensorrt"}),
        (ONNX, {"onnxruntime", "openvino"}),
        (PYTHON, {"onnxruntime", "openvino", "python"}),
        (("model.py",), set()),
        ((), set()),
    ],
)
def test_the_files_decide_which_runtimes_can_serve(tmp_path: Path, files: tuple[str, ...], runtimes: set[str]) -> None:
    publish(tmp_path, 1024, files)
    assert {runtime for runtime in RUNTIMES if published_sizes(tmp_path, runtime)} == runtimes


def test_only_the_newest_version_counts(tmp_path: Path) -> None:
    publish(tmp_path, 384, PYTHON, "9")
    publish(tmp_path, 384, ONNX, "10")
    publish(tmp_path, 1024, ONNX, "9")
    publish(tmp_path, 1024, PYTHON, "10")
    publish(tmp_path, 1536, PYTHON, "1.partial")
    publish(tmp_path, 2048, PYTHON, ".2")
    assert published_sizes(tmp_path, "python") == (1024,)


@pytest.mark.parametrize(
    ("files", "backends", "has_gpu", "runtime"),
    [
        (PLAN + PYTHON, RUNTIMES, True, "tensorrt"),
        (PLAN + PYTHON, RUNTIMES, False, "openvino"),
        (ONNX, RUNTIMES, True, "onnxruntime"),
        (ONNX, RUNTIMES, False, "openvino"),
        (PYTHON, ("python",), True, "python"),
        (PYTHON, ("onnxruntime", "python"), False, "python"),
    ],
)
def test_the_best_runtime_that_can_serve_is_chosen(
    tmp_path: Path, files: tuple[str, ...], backends: tuple[str, ...], has_gpu: bool, runtime: str
) -> None:
    publish(tmp_path, 1024, files)
    assert runtime_to_serve(tmp_path, backends, has_gpu=has_gpu) == runtime


def test_nothing_that_runs_here_is_published(tmp_path: Path) -> None:
    publish(tmp_path, 1024, PLAN)
    with pytest.raises(SetupError, match=r"is published for the python runtime: run `tuft-export publish .*python`\.$"):
        runtime_to_serve(tmp_path, ("python",), has_gpu=False)


def test_a_missing_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"There is no model repository at .*nowhere: name .*--repository.*publish"):
        sizes_to_serve(tmp_path / "nowhere", "python", None)


def test_sizes_default_to_all_that_are_published(tmp_path: Path) -> None:
    publish(tmp_path, 1024, PYTHON)
    publish(tmp_path, 384, PYTHON)
    assert sizes_to_serve(tmp_path, "python", None) == (384, 1024)
    assert sizes_to_serve(tmp_path, "python", (1024,)) == (1024,)


def test_a_size_that_is_wanted_but_not_published_is_named_with_its_command(tmp_path: Path) -> None:
    publish(tmp_path, 1024, PYTHON)
    with pytest.raises(SetupError) as failure:
        sizes_to_serve(tmp_path, "python", (1024, 2048))
    assert str(failure.value) == (
        f"inspyrenet_2048 in {tmp_path} is not published for the python runtime: "
        "run `tuft-export publish --checkpoint demo --runtime python --sizes 2048`."
    )


def publish_adopted(repository: Path, name: str, files: tuple[str, ...], *, side: int = 96, version: str = "1") -> None:
    folder = repository / name
    for file in ("config.pbtxt", "configs/python.pbtxt", "configs/onnxruntime.pbtxt", f"{version}/provenance.json"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    for file in files:
        (folder / version / file).touch()
    (folder / "warmup").mkdir(exist_ok=True)
    (folder / "warmup" / "image").write_bytes(bytes(side * side * 3))


def test_adopted_models_are_found_with_their_size(tmp_path: Path) -> None:
    publish(tmp_path, 384, PYTHON)
    publish_adopted(tmp_path, "birefnet_128", PYTHON, side=128)
    publish_adopted(tmp_path, "isnet", ONNX)
    publish_adopted(tmp_path, "u2net", PLAN)
    assert adopted_models(tmp_path, "python") == {"birefnet_128": 128}
    assert adopted_models(tmp_path, "onnxruntime") == {"birefnet_128": 128, "isnet": 96}
    assert adopted_models(tmp_path, "openvino") == {}  # no configuration for it
    assert adopted_models(tmp_path, "tensorrt") == {"u2net": 96}
    assert adopted_models(tmp_path / "nowhere", "python") == {}


def test_only_the_newest_version_of_an_adopted_model_counts(tmp_path: Path) -> None:
    publish_adopted(tmp_path, "isnet", PYTHON, version="9")
    publish_adopted(tmp_path, "isnet", ONNX, version="10")
    assert adopted_models(tmp_path, "python") == {}


def test_what_tuft_has_not_published_is_left_alone(tmp_path: Path) -> None:
    publish_adopted(tmp_path, "somebodys", PYTHON)
    (tmp_path / "somebodys" / "1" / "provenance.json").unlink()
    publish_adopted(tmp_path, ".hidden", PYTHON)
    (tmp_path / "README.md").touch()
    assert adopted_models(tmp_path, "python") == {}


def test_adopted_models_alone_can_be_served(tmp_path: Path) -> None:
    publish_adopted(tmp_path, "isnet", PYTHON)
    assert runtime_to_serve(tmp_path, ("python",), has_gpu=False) == "python"
    assert sizes_to_serve(tmp_path, "python", None) == ()
    with pytest.raises(SetupError, match="published for the python runtime"):
        sizes_to_serve(tmp_path, "python", (384,))


def test_the_repository_is_the_one_named_or_the_nearest_or_the_demos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def make() -> str:
        made.append("demo")
        return str(tmp_path / "demo")

    monkeypatch.setattr(discovery, "plugin", lambda group, name: make if name == "demo" else None)
    monkeypatch.setenv("TUFT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert discovery.repository_to_serve(None) == tmp_path / "demo"
    assert made == ["demo"]
    (tmp_path / "data" / "model_repository").mkdir(parents=True)
    assert discovery.repository_to_serve(None) == tmp_path / "data" / "model_repository"
    (tmp_path / "model_repository").mkdir()
    assert discovery.repository_to_serve(None) == Path("model_repository")
    assert discovery.repository_to_serve(tmp_path / "named") == tmp_path / "named"
    assert made == ["demo"]
