"""`tuft-export engine`: from the command line to a folder that can be published; each refusal is one line."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tuft import contract
from tuft.files import file_hash
from tuft_export.checkpoints import CHECKPOINTS
from tuft_export.cli.main import main
from tuft_export.engines import cuda
from tuft_export.provenance import engine_chain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Driver
    from support.faults import Faults


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    return tmp_path


def engine(*arguments: str) -> int:
    return main(["engine", *arguments])


def test_built_in_two_places(
    install: Callable[[str], Any],
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The graph is exported where torch is, the engine is built in the container; a second run changes nothing."""
    assert engine("--size", "384", "--onnx-only") == 0
    assert capsys.readouterr().out == "engines/model_384.onnx: exported\n"
    install("11.4.0.106")
    monkeypatch.setenv("TUFT_CACHE", "/nowhere")
    monkeypatch.setattr(contract, "MODELS", {384: contract.ModelSpec("inspyrenet_384", 384, 2)})  # two are enough
    assert engine("--size", "384", "--no-export", "--device", "L4") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("engines/model_384.plan: built in ")
    assert told[0].endswith(" s for NVIDIA L4 with TensorRT 11.4.0.106")
    assert [line.split(":")[0] for line in told[1:]] == ["batch 1", "batch 2"]
    origin, graph, plan = engine_chain(workplace / "engines", 384)
    assert origin["sha256"] == file_hash(CHECKPOINTS["demo"].path)
    assert (graph["size"], graph["blend"], graph["precision"]) == (384, False, "fp32")
    assert plan["gpu"] == "NVIDIA L4"
    before = {path: path.stat().st_mtime_ns for path in (workplace / "engines").iterdir()}
    assert engine("--size", "384", "--onnx-only") == 0
    assert engine("--size", "384", "--no-export") == 0
    assert capsys.readouterr().out == "engines/model_384.onnx: unchanged\nengines/model_384.plan: unchanged\n"
    assert {path: path.stat().st_mtime_ns for path in (workplace / "engines").iterdir()} == before


def test_several_sizes_each_once(
    install: Callable[[str], Any], place: Any, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("10.12.0.36")
    place()
    arguments = ["--size", "384", "--size", "384", "--no-export", "-o", str(workplace / "engines")]
    assert engine(*arguments) == 0
    assert capsys.readouterr().out.count("built in") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--size", "512"], "There is no model of size 512: choose from 384"),
        (["--size", "384", "--optimization-level", "9"], "from 0 to 5"),
        (["--size", "384", "--workspace-mb", "0"], "1 or more"),
        (["--size", "384", "--device", "H100"], "No GPU here is called H100, only NVIDIA L4"),
        (["--size", "384", "--no-export"], "--onnx-only --size 384"),
        (["--size", "384", "--checkpoint", "nothing"], "There is no checkpoint"),
        (["--size", "384", "--checkpoint", "base"], "weights pull base"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(
    arguments: list[str],
    reason: str,
    install: Callable[[str], Any],
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install("11.4.0.106")
    assert engine(*arguments) == 1
    _require_one_line(capsys.readouterr().err, reason)
    assert list(workplace.iterdir()) == []


def test_without_tensorrt(workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_bindings", None)
    assert engine("--size", "384") == 1
    _require_one_line(capsys.readouterr().err, "pip install 'tuft-matting[gpu]'")
    assert list(workplace.iterdir()) == []


def test_the_container_needs_little(workplace: Path) -> None:
    """The machine that builds engines needs neither torch nor the other packages that exporting needs."""
    absent = ("torch", "onnxscript", "onnx_ir", "safetensors", "openvino", "skimage", "scipy", "tensorrt")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent})); "
        "from tuft_export.cli.main import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "engine", "--size", "384", "--no-export"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    _require_one_line(done.stderr, "Building engines needs TensorRT")


def test_too_old_a_tensorrt(install: Callable[[str], Any], workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install("10.11.0.33")
    assert engine("--size", "384") == 1
    _require_one_line(capsys.readouterr().err, "10.11.0.33 is too old")
    assert list(workplace.iterdir()) == []


def test_without_a_gpu(install: Callable[[str], Any], driver: Driver, capsys: pytest.CaptureFixture[str]) -> None:
    install("11.4.0.106")
    driver.has()
    assert engine("--size", "384") == 1
    _require_one_line(capsys.readouterr().err, "--gpus all")


def test_without_a_driver(
    install: Callable[[str], Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("11.4.0.106")
    monkeypatch.setattr(cuda, "LIBCUDA", "libnowhere.so.1")
    assert engine("--size", "384") == 1
    _require_one_line(capsys.readouterr().err, "No NVIDIA driver was found")


def test_a_wrong_engine_is_an_error(
    install: Callable[[str], Any], place: Any, faults: Faults, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("11.4.0.106")
    faults.bend = lambda saliency: 1 - saliency
    files = place()
    assert engine("--size", "384", "--no-export") == 1
    _require_one_line(capsys.readouterr().err, "does not compute what its graph computes")
    assert not files.plan.exists()


@pytest.mark.parametrize("arguments", [[], ["--size", "384", "--onnx-only", "--no-export"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        engine(*arguments)
    assert "usage: tuft-export engine" in capsys.readouterr().err


def _require_one_line(error: str, reason: str) -> None:
    assert error.startswith("tuft-export: ")
    assert reason in error
    assert error.count("\n") == 1
