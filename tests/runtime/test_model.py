"""`tuft_runtime`, by itself and as `model.py` outside Triton: OpenVINO is real, Triton's module is a stand-in."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from google.protobuf import json_format, text_format
from support.photographs import photographs
from support.tiny import CONFIGURATIONS, PYTHON_MODEL, mean_saliency, mixing_graph, tiny_repository
from tritonclient.grpc.model_config_pb2 import ModelConfig

import tuft_runtime
from tuft_export.checkpoints import CHECKPOINTS, load_weights
from tuft_export.graphs import full_resolution
from tuft_export.graphs.weightless import demo_graph, read_bare, with_weights
from tuft_export.parity.ort_session import Saliency
from tuft_runtime import (
    FullGraph,
    Interrupt,
    InterruptedInferenceError,
    LoadError,
    onnx_split,
    onnxruntime_engine,
    openvino_engine,
    seams,
    tiled,
)
from tuft_runtime.openvino_split import split_joined_convolutions

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
    monkeypatch.setitem(sys.modules, "served_model", module)
    spec.loader.exec_module(module)
    return module.TritonPythonModel()


def arguments(repository: Path, **parameters: str) -> dict[str, str]:
    """Triton's arguments of `initialize`: the configuration as JSON, with other `parameters`."""
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
    compiled = model._graph.program.request.get_compiled_model()
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
    assert threads in (None, compiled.get_property("INFERENCE_NUM_THREADS"))


@pytest.fixture
def computed_tiles(monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, int, np.ndarray]]:
    """Of each image from now on: the needed pixels, the side of tiles, and the corners of the computed tiles."""
    found: list[tuple[np.ndarray, int, np.ndarray]] = []
    tiles = tiled.needed_tiles

    def noted(needed: np.ndarray, tile_px: int) -> Any:
        corners = tiles(needed, tile_px)
        found.append((needed, tile_px, corners))
        return corners

    monkeypatch.setattr(tiled, "needed_tiles", noted)
    return found


def whole_and_served(graph: onnx.ModelProto, folder: Path, **settings: Any) -> tuple[Any, Any]:
    """The graph in ONNX Runtime, and as `tuft_runtime` computes it: both from uint8 [1, S, S, 3] to [1, S, S]."""
    path = folder / "model.onnx"
    path.write_bytes(graph.SerializeToString())
    served = tuft_runtime.load(path, **settings)
    return Saliency(graph), lambda picture: served.infer(picture[0])[np.newaxis]


def square_photograph(size: int) -> np.ndarray:
    return photographs(size, 1)


def test_the_seams_have_the_names_that_the_export_gives_them() -> None:
    for name in ("FEATURES", "KEY", "VALUE", "COARSE", "EDGE", "DETAIL"):
        assert getattr(seams, name) == getattr(full_resolution, name)


@pytest.fixture(params=tuft_runtime.ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.slow
def test_where_pyramids_blend_the_stage_is_left_out_where_it_cannot_count(
    tmp_path: Path, computed_tiles: list[Any], engine: str
) -> None:
    demo = with_weights(read_bare(demo_graph(1024)), load_weights(CHECKPOINTS["demo"]).arrays)
    whole, served = whole_and_served(demo, tmp_path, engine=engine)
    picture = square_photograph(1024)
    np.testing.assert_allclose(served(picture), whole(picture), atol=1e-4)
    ((needed, tile_px, corners),) = computed_tiles
    assert 0 < len(corners) * tile_px**2 < 0.6 * needed.size


@pytest.mark.parametrize("certain_logit", [np.inf, 0.01])
def test_a_tile_is_what_the_whole_network_gives_there(
    tmp_path: Path,
    plain_graph: onnx.ModelProto,
    monkeypatch: pytest.MonkeyPatch,
    computed_tiles: list[Any],
    certain_logit: float,
    engine: str,
) -> None:
    monkeypatch.setattr(tiled, "CERTAIN_LOGIT", certain_logit)
    whole, served = whole_and_served(plain_graph, tmp_path, full_resolution="uncertain", engine=engine)
    picture = square_photograph(whole_size(plain_graph))
    answer, expected = served(picture)[0], whole(picture)[0]
    ((_, tile_px, corners),) = computed_tiles
    inside = np.zeros(answer.shape, bool)
    for y, x in corners:
        inside[y : y + tile_px, x : x + tile_px] = True
    assert inside.any()
    np.testing.assert_allclose(answer[inside], expected[inside], atol=2e-5)
    assert inside.all() == (certain_logit == np.inf)


def test_a_plain_network_is_whole_unless_asked_otherwise(
    tmp_path: Path, plain_graph: onnx.ModelProto, engine: str
) -> None:
    whole, served = whole_and_served(plain_graph, tmp_path, engine=engine)
    assert isinstance(tuft_runtime.load(tmp_path / "model.onnx", engine=engine), FullGraph)
    picture = square_photograph(whole_size(plain_graph))
    np.testing.assert_allclose(served(picture), whole(picture), atol=2e-5)


@pytest.mark.parametrize(("axis", "padding"), [(1, "explicit"), (1, "same_upper"), (2, "explicit")])
def test_joined_maps_are_convolved_apart_whatever_the_convolution(axis: int, padding: str) -> None:
    ops, random = openvino.opset15, np.random.default_rng(0)
    maps = ops.parameter([1, 2, 9, 9], np.float32)
    joined = ops.concat([maps, ops.multiply(maps, maps)], axis)
    weight = random.standard_normal((3, joined.shape[1], 3, 3)).astype(np.float32)
    model = openvino.Model([ops.convolution(joined, weight, [2, 1], [0, 1], [2, 1], [1, 2], padding)], [maps])
    values = random.random((1, 2, 9, 9), np.float32)
    answers = []
    for convolutions in (1, 2 if axis == 1 else 1):
        assert [node.get_type_name() for node in model.get_ops()].count("Convolution") == convolutions
        compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        answers.append(compiled([values])[0].copy())
        split_joined_convolutions(model)
    np.testing.assert_allclose(*answers, atol=1e-5)


def test_a_wrong_setting_says_what_is_right(model: Any, tmp_path: Path) -> None:
    with pytest.raises(TritonModelException, match=r"must be exact or uncertain, not everywhere\.$"):
        model.initialize(arguments(tiny_repository(tmp_path), full_resolution="everywhere"))


def test_triton_names_the_folder_of_compiled_graphs(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tiny_repository(tmp_path / "models")
    for folder, count in (("", 0), (str(tmp_path / "compiled"), 1)):
        monkeypatch.setenv("TUFT_COMPILED", folder)
        model.initialize(arguments(repository))
        assert len(list(tmp_path.glob("compiled/*.full.blob"))) == count


@pytest.mark.parametrize("damage", [None, b"", b"no graph"])
def test_compiled_graphs_are_kept_for_the_next_start(
    tmp_path: Path, blended_graph: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch, damage: bytes | None, engine: str
) -> None:
    cache = tmp_path / "compiled"
    picture = square_photograph(whole_size(blended_graph))
    first = whole_and_served(blended_graph, tmp_path, cache=cache, engine=engine)[1](picture)
    kept = sorted(cache.iterdir())
    assert len(kept) == 2
    if damage is None:
        for module in (openvino_engine, onnxruntime_engine):
            monkeypatch.setattr(module, "split_graph", None)  # would be called to make it anew
    else:
        kept[0].write_bytes(damage)
    again = whole_and_served(blended_graph, tmp_path, cache=cache, engine=engine)[1](picture)
    np.testing.assert_array_equal(again, first)
    assert sorted(cache.iterdir()) == kept


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, plain_graph: onnx.ModelProto, engine: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    whole, served = whole_and_served(plain_graph, tmp_path, cache=tmp_path / "file", engine=engine)
    picture = square_photograph(whole_size(plain_graph))
    np.testing.assert_allclose(served(picture), whole(picture), atol=2e-5)


def whole_size(graph: onnx.ModelProto) -> int:
    return int(graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value)


def test_openvino_is_absent(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(TritonModelException, match=r"pip install 'tuft-matting\[server\]'\.$"):
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
        def cancel(self) -> None: ...

        def infer(self, _inputs: list[np.ndarray]) -> None:
            raise cause

    model.initialize(arguments(tiny_repository(tmp_path)))
    model._graph.program.request = Exhausted()
    with pytest.raises(TritonModelException) as failure:
        answers(model, images)
    assert ("out of memory" in str(failure.value)) is is_memory
    assert "\n" not in str(failure.value)


def test_a_version_folder_runs_its_own_copy_whatever_is_installed(tmp_path: Path) -> None:
    version = tiny_repository(tmp_path / "models") / f"inspyrenet_{SIZE}" / "1"
    installed = tmp_path / "installed"
    (installed / "tuft_runtime").mkdir(parents=True)
    (installed / "tuft_runtime" / "__init__.py").write_text("raise SystemExit('The installed copy was imported.')")
    (installed / "triton_python_backend_utils.py").touch()
    program = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("model", {str(version / "model.py")!r})
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)
names = [name for name in sys.modules if name.partition(".")[0] == "tuft_runtime"]
print(*(sys.modules[name].__file__ for name in names), sep="\\n")
"""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    files = [Path(line) for line in run.stdout.splitlines()]
    assert len(files) == len(list((version / "tuft_runtime").glob("*.py")))
    assert {file.parent for file in files} == {version / "tuft_runtime"}
    assert not list(version.rglob("*.pyc"))


def test_both_engines_give_the_same_answer(tmp_path: Path, blended_graph: onnx.ModelProto) -> None:
    picture = square_photograph(whole_size(blended_graph))
    answers = [whole_and_served(blended_graph, tmp_path, engine=name)[1](picture) for name in tuft_runtime.ENGINES]
    np.testing.assert_allclose(*answers, atol=1e-4)


@pytest.mark.parametrize("when", ["before", "during"])
def test_an_interrupted_computation_ends_and_the_next_is_whole(tmp_path: Path, engine: str, when: str) -> None:
    size = 1024 if when == "during" else 384
    demo = with_weights(read_bare(demo_graph(size)), load_weights(CHECKPOINTS["demo"]).arrays)
    _, served = whole_and_served(demo, tmp_path, engine=engine, cache=tmp_path / "compiled")
    graph = tuft_runtime.load(tmp_path / "model.onnx", engine=engine, cache=tmp_path / "compiled")
    picture = square_photograph(size)
    interrupt = Interrupt()
    if when == "before":
        interrupt.set()
    else:
        threading.Timer(0.1, interrupt.set).start()
    with pytest.raises(InterruptedInferenceError):
        graph.infer(picture[0], interrupt=interrupt)
    np.testing.assert_array_equal(graph.infer(picture[0])[np.newaxis], served(picture))


def test_half_precision_stays_in_one_piece_in_onnx_runtime(tmp_path: Path, blended_graph: onnx.ModelProto) -> None:
    for value in blended_graph.graph.value_info:
        if value.name == seams.KEY:
            value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    (tmp_path / "model.onnx").write_bytes(blended_graph.SerializeToString())
    assert len(onnx_split.split_graph(onnx.load(tmp_path / "model.onnx"), everywhere=False)) == 1


def test_a_device_that_this_build_does_not_have_is_refused_in_one_line(tmp_path: Path) -> None:
    graph = tiny_repository(tmp_path) / f"inspyrenet_{SIZE}" / "1" / "model.onnx"
    with pytest.raises(LoadError, match=r"this build of ONNX Runtime computes on .*cpu, not on directml$"):
        tuft_runtime.load(graph, engine="onnxruntime", device="directml")


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_that_does_not_start_is_no_reason_to_fail_unless_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: np.ndarray
) -> None:
    """Builds for CUDA list it where its libraries are missing, and then compute on the CPU."""
    graph = tiny_repository(tmp_path) / f"inspyrenet_{SIZE}" / "1" / "model.onnx"
    listed = [*onnxruntime.get_available_providers(), "CUDAExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    assert onnxruntime_engine.device() == "cuda"
    loaded = tuft_runtime.load(graph, engine="onnxruntime")
    np.testing.assert_allclose(loaded.infer(images[0]), mean_saliency(images[0]), atol=1e-6)
    with pytest.raises(LoadError, match=r"cuda does not start here: its libraries or its driver are missing$"):
        tuft_runtime.load(graph, engine="onnxruntime", device="cuda")


def test_what_onnx_runtime_cannot_load_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(LoadError, match=r"^ONNX Runtime cannot load .*model\.onnx: [^\n]+$"):
        tuft_runtime.load(tmp_path / "model.onnx", engine="onnxruntime")


@pytest.mark.parametrize("device", [None, "cpu"])
def test_onnx_runtime_says_when_memory_is_short(tmp_path: Path, device: str | None) -> None:
    program = f"""
import resource, sys, numpy as np, tuft_runtime
graph = tuft_runtime.load({str(tmp_path / "model.onnx")!r}, engine="onnxruntime", device={device!r}, threads=1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000, -1))
try:
    graph.infer(np.zeros((1024, 1024, 3), np.uint8))
except tuft_runtime.InferenceError as error:
    print(error.out_of_memory, error)
"""
    demo = with_weights(read_bare(demo_graph(1024)), load_weights(CHECKPOINTS["demo"]).arrays)
    (tmp_path / "model.onnx").write_bytes(demo.SerializeToString())
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("True The network failed: out of memory"), run.stderr
