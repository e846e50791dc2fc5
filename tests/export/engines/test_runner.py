"""A running plan computes the same as its graph, and every failure is one sentence."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.tiny import mean_graph, mean_saliency

from tuft import contract
from tuft_export.engines.callbacks import file_logger
from tuft_export.engines.runner import EngineRunner
from tuft_export.errors import EngineError
from tuft_export.sample_images import sample_pictures

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Driver
    from support.faults import Faults

    from tuft_export.engines.build import Machine

SPEC = contract.MODELS[384]
PLAN = b'{"tensorrt": "11.4.0.106"}\0graph\0'


@pytest.fixture
def load(machine: Machine) -> Callable[..., EngineRunner]:
    """Loads the plan of a graph of this size."""

    def run(size: int = 384, plan: bytes = PLAN) -> EngineRunner:
        graph = mean_graph(size).SerializeToString()
        return EngineRunner(machine.trt, machine.cuda, plan + graph, SPEC, file_logger(machine.trt, io.StringIO()))

    return run


def test_answers_of_every_batch_size(load: Any, machine: Machine) -> None:
    pictures = sample_pictures(384, 3)
    with machine.cuda.on(machine.gpu), load() as runner:
        for batch in (pictures[:1], pictures, pictures[1:], pictures[::-1]):
            saliency = runner.run(batch)
            assert (saliency.dtype, saliency.shape) == (np.float32, (len(batch), 384, 384))
            np.testing.assert_allclose(saliency, mean_saliency(batch), atol=1e-6)


def test_memory_is_for_the_largest_batch(load: Any, machine: Machine) -> None:
    pictures = sample_pictures(384, SPEC.max_batch_size)
    with machine.cuda.on(machine.gpu), load() as runner:
        np.testing.assert_allclose(runner.run(pictures), mean_saliency(pictures), atol=1e-6)


def test_what_it_says_of_itself(load: Any) -> None:
    runner = load()
    assert runner.device_memory_bytes == 1234
    assert '"Layers"' in runner.layers()


def test_a_plan_of_another_version(load: Any) -> None:
    with pytest.raises(EngineError, match=r"cannot load .* \(The engine plan file is not compatible\.\)"):
        load(plan=PLAN.replace(b"11.4", b"11.1"))


def test_a_plan_of_another_size(load: Any) -> None:
    with pytest.raises(EngineError, match=r"tensors are .*512.* instead of .*384.*: export the graph again"):
        load(size=512)


def test_a_plan_of_another_type(load: Any, faults: Faults) -> None:
    faults.output_dtype = "HALF"
    with pytest.raises(EngineError, match=r"tensors are .*HALF.* instead of .*FLOAT"):
        load()


def test_no_room_for_activations(load: Any, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.fake_tensorrt.ICudaEngine.create_execution_context", lambda _: None)
    with (
        machine.cuda.on(machine.gpu),
        pytest.raises(EngineError, match=r"cannot make room .*: stop what else uses the GPU"),
        load(),
    ):
        pass


def test_no_room_for_pictures(load: Any, machine: Machine, driver: Driver) -> None:
    driver.fails("cuMemAlloc_v2", 2)
    with machine.cuda.on(machine.gpu), pytest.raises(EngineError, match="memory is full"), load():
        pass


def test_an_execution_that_fails(load: Any, machine: Machine, faults: Faults) -> None:
    faults.runs = False
    with (
        machine.cuda.on(machine.gpu),
        pytest.raises(EngineError, match="cannot run a batch of 2"),
        load() as runner,
    ):
        runner.run(sample_pictures(384, 2))
