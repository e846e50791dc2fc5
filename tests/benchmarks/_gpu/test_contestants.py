"""The ways to run a network, on the processor: what they compute, and that none stops the others."""

from __future__ import annotations

import copy
import re
import sys
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from _gpu import contestants, engines
from _gpu.contestants import (
    AUTOCAST,
    CONTESTANTS,
    ISLANDS,
    REFERENCE,
    WEIGHTS,
    Contestant,
    keep_islands,
    pass_from_contestant,
    taking_part,
)
from _gpu.measured_network import MeasuredNetwork
from _gpu.parity import measure_parity, parity_pictures
from _gpu.pass_latency import measure_latency
from _gpu.results import FAILED, OK, OUT_OF_MEMORY
from support.fake_tensorrt import fake_tensorrt
from support.faults import Faults
from support.tiny import mean_graph

from tuft_export.graphs.exportable import ServedNetwork
from tuft_export.sample_images import sample_pictures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CPU = torch.device("cpu")


@pytest.fixture
def tiny(tiny_network: MeasuredNetwork, one_thread: None) -> MeasuredNetwork:
    return tiny_network


def saliency(run: Callable[[torch.Tensor], torch.Tensor], count: int = 1) -> Any:
    return run(torch.from_numpy(sample_pictures(96, count))).float().numpy()


def test_contestants_that_cannot_run_are_told_and_the_reference_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def why_not(runtime: str, device: torch.device) -> str | None:
        return "Graphs cannot be made: pip install them." if runtime in ("onnxruntime", "tensorrt") else None

    monkeypatch.setattr(contestants, "_why_not", why_not)
    able, reasons = taking_part(["onnxruntime", "tensorrt"], ["fp16"], CPU)
    assert able == (REFERENCE,)
    assert reasons == ["Graphs cannot be made: pip install them."]
    able, reasons = taking_part(["eager", "compile"], ["fp16"], CPU)
    assert [str(one) for one in able[1:]] == [
        "eager fp16, autocast", "eager fp16, islands", "eager fp16, half weights", "compile fp16, islands",
    ]  # fmt: skip
    assert not reasons


def test_an_onnxruntime_without_cuda_names_the_package_with_it() -> None:
    assert "pip install onnxruntime-gpu" in str(engines.why_not_onnxruntime(torch.device("cuda")))
    assert engines.why_not_onnxruntime(CPU) is None


def test_every_island_that_autocast_does_not_make_is_kept(tiny: MeasuredNetwork) -> None:
    """By the names in `tuft_export.graphs.precision.ISLANDS`, which are those of exported graphs."""
    from tuft_export.graphs.precision import ISLANDS as OF_GRAPHS

    kept = keep_islands(copy.deepcopy(tiny.module), "cpu")
    by_autocast = {r"blocks\.\d+/Add", r"/LayerNormalization", r"/Softmax"}
    patterns = [island.pattern for island in OF_GRAPHS if island.pattern not in by_autocast]
    assert len(patterns) == len(OF_GRAPHS) - len(by_autocast)
    for pattern in patterns:
        assert any(re.search(pattern, f"{name}{node}") for name in kept for node in ("", ".", "/", "/MatMul")), pattern
    assert not [name for name in kept if "backbone" in name]


def test_islands_keep_float16_from_overflowing(tiny: MeasuredNetwork) -> None:
    """SICA's sums are past 65,504 at a base size of 96 already, on a picture that is all in front or all behind."""
    plain, islands = (
        pass_from_contestant(Contestant("eager", "fp16", way), tiny, 96, CPU, 1) for way in (AUTOCAST, ISLANDS)
    )
    pictures = torch.from_numpy(np.stack(list(parity_pictures(96, None).values())))
    assert not torch.isfinite(plain(pictures)).all()
    assert torch.isfinite(islands(pictures)).all()


def test_halving_leaves_the_subject_as_it_is(tiny: MeasuredNetwork) -> None:
    before = saliency(pass_from_contestant(REFERENCE, tiny, 96, CPU, 1))
    halved = saliency(pass_from_contestant(Contestant("eager", "bf16", WEIGHTS), tiny, 96, CPU, 1))
    after = saliency(pass_from_contestant(REFERENCE, tiny, 96, CPU, 1))
    np.testing.assert_array_equal(before, after)
    assert 0 < np.abs(halved - before).mean() < 0.1


def test_above_the_base_size_the_passes_blend(tiny: MeasuredNetwork) -> None:
    pictures = torch.from_numpy(sample_pictures(192, 1))
    with torch.no_grad():
        expected = ServedNetwork(tiny.module, blend=True)(pictures)
    assert torch.equal(pass_from_contestant(REFERENCE, tiny, 192, CPU, 1)(pictures), expected)


def test_tensorrt_gives_what_the_engine_computes(
    tiny: MeasuredNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fake TensorRT that needs no GPU; it checks addresses, shapes and batches."""
    faults = Faults(cache_of=b"")
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(faults))
    stream = SimpleNamespace(cuda_stream=7, synchronize=lambda: None)
    monkeypatch.setattr(engines, "own_stream", lambda device: stream)
    subject = MeasuredNetwork("mean", tiny.module, False, tmp_path)
    subject.file(96, "fp32", "onnx").write_bytes(mean_graph(96).SerializeToString())
    engine = pass_from_contestant(Contestant("tensorrt", "fp32"), subject, 96, CPU, 2)
    graph = pass_from_contestant(Contestant("onnxruntime", "fp32"), subject, 96, CPU, 2)
    for count in (1, 2):
        np.testing.assert_array_equal(saliency(engine, count), saliency(graph, count))
    assert faults.configs[0].profiles[0].shapes["IMAGE"][2] == (2, 96, 96, 3)
    pass_from_contestant(Contestant("tensorrt", "fp32"), subject, 96, CPU, 2)
    assert faults.builds_counted == 1
    faults.runs = False
    with pytest.raises(Exception, match="TensorRT cannot run a batch of 1"):
        saliency(engine)


def test_without_a_reference_nothing_is_compared(tiny: MeasuredNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("_gpu.parity.pass_from_contestant", broken)
    (row,) = measure_parity(tiny, CONTESTANTS, parity_pictures(96, None), [], 1, CPU, lambda: False)
    assert row["status"] == OUT_OF_MEMORY


def test_one_that_fails_does_not_stop_the_others(tiny: MeasuredNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    full, fragile, steady = (
        Contestant("compile", "fp32"),
        Contestant("tensorrt", "fp16"),
        Contestant("tensorrt", "bf16"),
    )
    asked = dict.fromkeys((REFERENCE, full, fragile, steady), 0)

    def load(contestant: Contestant, *_: Any) -> Callable[[torch.Tensor], torch.Tensor]:
        def run(images: torch.Tensor) -> torch.Tensor:
            asked[contestant] += 1
            if contestant == fragile and asked[contestant] > 40:  # after the warm-up
                raise RuntimeError("an illegal memory access was encountered")
            time.sleep(0.002 if contestant == REFERENCE else 0.001)
            return images

        if contestant == full:
            raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : Failed to allocate memory for requested buffer")
        return run

    monkeypatch.setattr("_gpu.pass_latency.pass_from_contestant", load)
    rows = measure_latency(tiny, list(asked), 96, 1, CPU, largest_batch=1, rounds=3, over=lambda: False)
    assert [row["status"] for row in rows] == [OK, OUT_OF_MEMORY, FAILED, OK]
    assert "illegal memory access" in rows[2]["reason"]
    assert rows[0]["times_reference"] == 1
    assert rows[3]["times_reference"] > 1


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the compiler's own
@pytest.mark.parametrize(("precision", "way"), [("fp32", ""), ("bf16", ISLANDS)])
def test_the_compiler_sees_the_same_network(
    precision: str, way: str, tiny: MeasuredNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tracing only, islands and autocast included: generating code takes minutes on a CPU."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    compiled, eager = (
        pass_from_contestant(Contestant(runtime, precision, way), tiny, 96, CPU, 1) for runtime in ("compile", "eager")
    )
    np.testing.assert_allclose(saliency(compiled), saliency(eager), atol=1e-5)
    torch.compiler.reset()
