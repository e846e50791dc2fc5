"""The GPU benchmark as a whole, on the CPU with a tiny network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import gpu
import pytest
import torch
from _gpu import timing
from _gpu.contestants import AUTOCAST, ISLANDS, REFERENCE, WEIGHTS
from _gpu.results import OK, Results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _gpu.measured_network import MeasuredNetwork

CPU = torch.device("cpu")
SCRIPT = Path(gpu.__file__)
QUICK = ["--device", "cpu", "--network", "tiny", "--sizes", "96", "--runtimes", "eager"]
# Packages that a GPU machine need not have.
MISSING = (
    "cv2", "grpc", "onnx", "onnx_ir", "onnxruntime", "onnxscript", "openvino", "safetensors", "skimage", "tensorrt",
    "tensorrt_bindings", "tqdm", "tritonclient",
)  # fmt: skip


@pytest.fixture
def settings_of_torch() -> Iterator[None]:
    """Restores the settings that the script changes for its process."""
    backends = torch.backends
    before = backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32, backends.cudnn.benchmark
    yield
    backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32, backends.cudnn.benchmark = before


def test_the_script_measures_and_records(
    tiny_network: MeasuredNetwork,
    one_thread: None,
    settings_of_torch: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpu, "network_from_shape", lambda name, folder: tiny_network)
    monkeypatch.setattr(timing, "_WARMUP_S", 0.1)
    file = tmp_path / "gpu.json"
    gpu.main([*QUICK, "--precisions", "bf16", "--batches", "2", "1", "--rounds", "1", "--json", str(file)])
    measured = json.loads(file.read_text())
    names = ["eager fp32", *(f"eager bf16, {way}" for way in (AUTOCAST, ISLANDS, WEIGHTS))]
    assert [row["contestant"] for row in measured["parity"]] == names
    assert [(row["batch"], row["contestant"]) for row in measured["latency"]] == [(b, n) for b in (1, 2) for n in names]
    assert {row["status"] for row in measured["parity"] + measured["latency"]} == {OK}
    assert measured["machine"]["torch"] == torch.__version__
    assert measured["settings"]["cudnn.allow_tf32"] is False
    for row in measured["latency"]:
        assert min(row["times_ms"]) <= row["median_ms"] <= row["p95_ms"] <= max(row["times_ms"]) + 1e-3
        assert row["images_per_s"] == pytest.approx(row["batch"] * 1000 / row["median_ms"])
    printed = capsys.readouterr().out
    for name in names:
        assert printed.count(f"| {name} |") == 3
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.json"]


def test_torch_numpy_and_pillow_are_enough(tmp_path: Path) -> None:
    """In a process that cannot import the others; for missing ones the message names the pip command."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({MISSING!r}))\n")
    file = tmp_path / "gpu.json"
    arguments = [*QUICK, "onnxruntime", "tensorrt", "--precisions", "bf16", "--batches", "1", "--rounds", "1"]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), *arguments, "--json", str(file)],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads(file.read_text())
    assert {row["status"] for row in measured["parity"] + measured["latency"]} == {OK}
    assert len(measured["skipped"]) == 2
    assert re.search(r"skipped: No graph can be exported .*onnx.*pip install 'tuft-matting\[export\]'", done.stdout)
    assert "skipped: TensorRT computes on NVIDIA GPUs only" in done.stdout


@pytest.mark.slow
def test_graphs_take_part(
    exported_network: MeasuredNetwork,
    one_thread: None,
    settings_of_torch: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpu, "network_from_shape", lambda name, folder: exported_network)
    monkeypatch.setattr(timing, "_WARMUP_S", 0.1)
    file = tmp_path / "gpu.json"
    gpu.main([*QUICK, "onnxruntime", "--batches", "1", "--rounds", "1", "--json", str(file)])
    measured = json.loads(file.read_text())
    assert {row["status"] for row in measured["latency"]} == {OK}
    parity_of = {row["contestant"]: row for row in measured["parity"]}
    worst = {
        name: max(one["mean_abs"] for one in parity_of[f"onnxruntime {name}"]["pictures"].values())
        for name in ("fp32", "fp16", "bf16")
    }
    assert worst["fp32"] < 1e-4 < worst["fp16"] < worst["bf16"]  # mantissas of 23, 10 and 7 bits
    # The graphs' islands and autocast's are the same: both err by a few roundings, and neither overflows.
    assert sum(one["not_finite"] for one in parity_of["eager fp16, islands"]["pictures"].values()) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"torch .* sees no NVIDIA GPU here: run this .* or try the script out with --device cpu\.$"),
        (["--device", "cpu", "--sizes", "100"], r"The size 100 is no multiple of 32 pixels: give --sizes such as .*"),
        (["--device", "cpu", "--batches", "0"], r"Nothing can be measured with a batch .* give 1 or more\.$"),
        (["--device", "cpu", "--minutes", "0"], r"There are no 0 minutes to measure in: give --minutes above 0\.$"),
        (["--device", "cpu", "--photos", "/nowhere"], r"/nowhere is no folder: give --photos a folder .*"),
        (["--device", "cpu", "--json", "/nowhere/a.json"], r"The folder of .* make it, or give --json another file\.$"),
        (["--device", "cpu", "--checkpoint", "x.safetensors"], r"There is no checkpoint at x\.safetensors: give .*"),
    ],
)
def test_wrong_use_is_one_sentence(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, settings_of_torch: None
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as raised:
        gpu.main(arguments)
    assert re.match(message, str(raised.value))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ("demo", "swin-b")),
        (["--checkpoint", "base"], ("base", "base")),
        (["--network", "tiny"], ("tiny", "tiny")),
        (["--checkpoint", "base", "--network", "tiny"], ("base", "tiny")),
    ],
)
def test_what_is_measured_on_what(arguments: list[str], expected: tuple[str, str], monkeypatch: Any) -> None:
    def shaped(name: str, folder: Path) -> Any:
        return SimpleNamespace(name=name, trained=False)

    def loaded(name: str, base_size: int | None, folder: Path) -> Any:
        return SimpleNamespace(name=name, trained=True)

    monkeypatch.setattr(gpu, "network_from_shape", shaped)
    monkeypatch.setattr(gpu, "network_from_checkpoint", loaded)
    results = Results(None, {})
    plan = gpu.Plan(gpu._options(["--device", "cpu", *arguments]), CPU, (REFERENCE,), results)
    assert tuple(subject.name for subject in plan._networks(Path())) == expected

    def missing(name: str, base_size: int | None, folder: Path) -> Any:
        raise ModuleNotFoundError("No module named 'safetensors'")

    monkeypatch.setattr(gpu, "network_from_checkpoint", missing)
    if "--checkpoint" in arguments:  # what was asked for is not replaced
        with pytest.raises(ModuleNotFoundError):
            plan._networks(Path())
    elif not arguments:
        assert [subject.name for subject in plan._networks(Path())] == ["swin-b", "swin-b"]
        assert "safetensors" in results.skipped[0]


def test_when_the_time_is_up_the_rest_is_left_out(
    one_thread: None, settings_of_torch: None, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu.main([*QUICK, "--batches", "1", "--minutes", "1e-9"])
    printed = capsys.readouterr().out
    assert "| eager" not in printed
    assert printed.count("skipped: The time was up during") == 2
    assert "give more --minutes" in printed
