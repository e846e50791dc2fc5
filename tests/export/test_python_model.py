"""`python_model.py` outside Triton: OpenVINO is real, Triton's module is a stand-in."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format, text_format
from support.tiny import CONFIGURATIONS, PYTHON_MODEL, mean_saliency, mixing_graph, tiny_repository
from tritonclient.grpc.model_config_pb2 import ModelConfig

SIZE = 384


class TritonModelException(Exception):  # noqa: N818 -- Triton calls it so
    pass


class Tensor:
    def __init__(self, name: str, array: np.ndarray) -> None:
        self.name, self.array = name, array

    def as_numpy(self) -> np.ndarray:
        return self.array


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    stand_in = ModuleType("triton_python_backend_utils")
    vars(stand_in).update(
        TritonModelException=TritonModelException,
        Tensor=Tensor,
        InferenceResponse=list,
        get_input_tensor_by_name=lambda request, name: request[name],
        get_output_config_by_name=lambda config, name: next(t for t in config["output"] if t["name"] == name),
        triton_string_to_numpy={"TYPE_FP32": np.float32, "TYPE_FP16": np.float16}.__getitem__,
    )
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    spec = importlib.util.spec_from_file_location("served_model", PYTHON_MODEL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TritonPythonModel()


def arguments(repository: Path, **parameters: str) -> dict[str, str]:
    """What Triton gives to `initialize`: the configuration as JSON, with other `parameters`."""
    name = f"inspyrenet_{SIZE}"
    text = (CONFIGURATIONS / name / "configs" / "python.pbtxt").read_text()
    config = json_format.MessageToDict(text_format.Parse(text, ModelConfig()), preserving_proto_field_name=True)
    config["parameters"] |= {key: {"string_value": value} for key, value in parameters.items()}
    return {"model_repository": str(repository / name), "model_version": "1", "model_config": json.dumps(config)}


def answers(model: Any, *batches: np.ndarray) -> list[np.ndarray]:
    responses = model.execute([{"IMAGE": Tensor("IMAGE", batch)} for batch in batches])
    assert [tensor.name for (tensor,) in responses] == ["SALIENCY"] * len(batches)
    return [tensor.array for (tensor,) in responses]


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)


def test_answers_are_the_graphs(model: Any, tmp_path: Path, images: np.ndarray) -> None:
    model.initialize(arguments(tiny_repository(tmp_path)))
    one, three = answers(model, images[:1], images)
    assert (one.dtype, one.shape, three.shape) == (np.float32, (1, SIZE, SIZE), (3, SIZE, SIZE))
    np.testing.assert_allclose(three, mean_saliency(images), atol=1e-6)
    model.finalize()


def test_an_answer_does_not_depend_on_its_companions_by_a_bit(model: Any, tmp_path: Path, images: np.ndarray) -> None:
    model.initialize(arguments(tiny_repository(tmp_path, graph=mixing_graph)))
    (together,) = answers(model, images)
    alone = answers(model, *(image[np.newaxis] for image in images))
    np.testing.assert_array_equal(together, np.concatenate(alone))
    assert len({answer.tobytes() for answer in alone}) == len(images)


def test_an_answer_is_not_overwritten_by_the_next(model: Any, tmp_path: Path, images: np.ndarray) -> None:
    model.initialize(arguments(tiny_repository(tmp_path)))
    (first,) = answers(model, images[:1])
    kept = first.copy()
    answers(model, images[1:])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(("parameters", "threads"), [({}, None), ({"threads": "1"}, 1)])
def test_parameters_reach_openvino(model: Any, tmp_path: Path, parameters: dict[str, str], threads: int | None) -> None:
    model.initialize(arguments(tiny_repository(tmp_path), **parameters))
    compiled = model._network.get_compiled_model()
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
    assert threads in (None, compiled.get_property("INFERENCE_NUM_THREADS"))


def test_openvino_is_absent(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(TritonModelException, match=r"pip install 'tuft\[server\]'\.$"):
        model.initialize(arguments(tiny_repository(tmp_path)))


def test_the_graph_is_absent(model: Any, tmp_path: Path) -> None:
    repository = tiny_repository(tmp_path)
    (repository / f"inspyrenet_{SIZE}" / "1" / "model.onnx").unlink()
    with pytest.raises(TritonModelException, match=r"model\.onnx is missing: publish .* `tuft-export publish"):
        model.initialize(arguments(repository))


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: b"hello", lambda data: data[: len(data) // 2]],
    ids=["empty", "text", "half"],
)
def test_a_broken_graph_is_one_line(model: Any, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    repository = tiny_repository(tmp_path, graph=mixing_graph)
    graph = repository / f"inspyrenet_{SIZE}" / "1" / "model.onnx"
    graph.write_bytes(damage(graph.read_bytes()))
    with pytest.raises(TritonModelException) as failure:
        model.initialize(arguments(repository))
    assert str(failure.value).startswith(f"OpenVINO cannot load {graph}: ")
    assert "\n" not in str(failure.value)
    assert "Exception from" not in str(failure.value)


# OpenVINO 2026.4 under an address space limit; C++'s own; Python's own.
@pytest.mark.parametrize(
    ("cause", "is_memory"),
    [
        (RuntimeError("Exception from src/a.cpp:1:\nFailed to allocate 10737418240 bytes of memory\n\n"), True),
        (RuntimeError("std::bad_alloc"), True),
        (MemoryError(), True),
        (RuntimeError("Exception from src/a.cpp:1:\nshapes do not match"), False),
    ],
)
def test_lack_of_memory_is_called_that(
    model: Any, tmp_path: Path, images: np.ndarray, cause: Exception, is_memory: bool
) -> None:
    class Exhausted:
        def infer(self, _inputs: list[np.ndarray]) -> None:
            raise cause

    model.initialize(arguments(tiny_repository(tmp_path)))
    model._network = Exhausted()
    with pytest.raises(TritonModelException) as failure:
        answers(model, images)
    assert ("out of memory" in str(failure.value)) is is_memory
    assert "\n" not in str(failure.value)
