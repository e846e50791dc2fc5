"""The configurations say what the wire contract says, whatever the runtime."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInstanceGroup, ModelQueuePolicy

from tuft import contract
from tuft.contract import MODELS, ModelSpec
from tuft.serve import RUNTIMES

REPOSITORY = Path(__file__).parents[2] / "model_repository"
FILES = {runtime: f"configs/{runtime}.pbtxt" for runtime in RUNTIMES} | {"tensorrt": "config.pbtxt"}
GPU_RUNTIMES = {"tensorrt", "onnxruntime"}
MODEL_FILES = {"tensorrt": "model.plan", "onnxruntime": "model.onnx", "openvino": "model.onnx", "python": "model.py"}

every_configuration = pytest.mark.parametrize(
    ("spec", "runtime"),
    [pytest.param(spec, runtime, id=f"{spec.name}-{runtime}") for spec in MODELS.values() for runtime in RUNTIMES],
)


def configuration(spec: ModelSpec, runtime: str) -> ModelConfig:
    # A misspelt field is an error of the parser.
    return text_format.Parse((REPOSITORY / spec.name / FILES[runtime]).read_text(), ModelConfig())


def parameters(config: ModelConfig) -> dict[str, str]:
    return {name: value.string_value for name, value in config.parameters.items()}


def test_there_are_no_other_models() -> None:
    adopted = {path.parent.parent.name for path in REPOSITORY.glob("*/*/provenance.json")}
    folders = {path.parent.name for path in REPOSITORY.glob("*/config.pbtxt")}
    own = {*contract.OWN_MODELS, *contract.PROMPT_MODELS}
    assert folders - (adopted - own) == own


@every_configuration
def test_tensors_are_those_of_the_contract(spec: ModelSpec, runtime: str) -> None:
    config = configuration(spec, runtime)
    assert config.name == spec.name
    assert [(tensor.name, tuple(tensor.dims)) for tensor in config.input] == [(contract.INPUT_NAME, spec.input_shape)]
    assert [(tensor.name, tuple(tensor.dims)) for tensor in config.output] == [
        (contract.OUTPUT_NAME, spec.output_shape)
    ]
    assert DataType.Name(config.input[0].data_type) == f"TYPE_{contract.INPUT_DTYPE}"
    assert DataType.Name(config.output[0].data_type).removeprefix("TYPE_") in contract.OUTPUT_DTYPES


@every_configuration
def test_batches_are_those_of_the_contract(spec: ModelSpec, runtime: str) -> None:
    # Triton's OpenVINO backend pads every request to the largest batch, so its largest is one.
    assert configuration(spec, runtime).max_batch_size == (1 if runtime == "openvino" else spec.max_batch_size)


@every_configuration
def test_backend_file_and_device_are_those_of_the_runtime(spec: ModelSpec, runtime: str) -> None:
    config = configuration(spec, runtime)
    assert config.backend == runtime
    assert config.default_model_filename == MODEL_FILES[runtime]
    kind = ModelInstanceGroup.KIND_GPU if runtime in GPU_RUNTIMES else ModelInstanceGroup.KIND_CPU
    assert [(group.kind, group.count) for group in config.instance_group] == [(kind, 1)]


@every_configuration
def test_the_queue_is_bounded_in_length_and_time(spec: ModelSpec, runtime: str) -> None:
    config = configuration(spec, runtime)
    assert config.WhichOneof("scheduling_choice") == "dynamic_batching"
    policy = config.dynamic_batching.default_queue_policy
    assert policy.timeout_action == ModelQueuePolicy.REJECT
    assert policy.allow_timeout_override
    assert policy.default_timeout_microseconds > 0
    # Sixteen at once are served, and what waits stays below half a gigabyte.
    assert policy.max_queue_size >= 16
    assert policy.max_queue_size * spec.size**2 * contract.CHANNELS < 2**29


@every_configuration
def test_every_batch_size_that_can_reach_the_backend_is_warmed_up(spec: ModelSpec, runtime: str) -> None:
    config = configuration(spec, runtime)
    # The python runtime compiles everything before, and would make every start wait for a whole pass.
    largest = {"python": 0, "openvino": 1}.get(runtime, spec.max_batch_size)
    assert [sample.batch_size for sample in config.model_warmup] == list(range(1, largest + 1))
    assert len({sample.name for sample in config.model_warmup}) == largest
    for sample in config.model_warmup:
        assert list(sample.inputs) == [contract.INPUT_NAME]
        tensor = sample.inputs[contract.INPUT_NAME]
        assert tuple(tensor.dims) == spec.input_shape
        assert DataType.Name(tensor.data_type) == f"TYPE_{contract.INPUT_DTYPE}"
        assert tensor.input_data_file == "image"


@pytest.mark.parametrize("spec", MODELS.values(), ids=lambda spec: spec.name)
def test_python_runtime_computes_requests_one_by_one_and_exactly(spec: ModelSpec) -> None:
    config = configuration(spec, "python")
    assert list(config.dynamic_batching.preferred_batch_size) == [1]
    assert parameters(config) == {"precision": "f32", "full_resolution": "exact", "threads": "0"}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_sizes_differ_in_numbers_only(runtime: str) -> None:
    """What is true of one size and was forgotten in another shows here."""

    def skeleton(spec: ModelSpec) -> list[str]:
        lines = (REPOSITORY / spec.name / FILES[runtime]).read_text().splitlines()
        return [re.sub(r"\d+", "N", line) for line in lines if "batch_size:" not in line]

    first, *others = [skeleton(spec) for spec in MODELS.values()]
    assert all(other == first for other in others)


PROMPT_FILES = {
    "tensorrt": "config.pbtxt",
    "onnxruntime": "configs/onnxruntime.pbtxt",
    "python": "configs/python.pbtxt",
}

every_prompt_configuration = pytest.mark.parametrize(
    ("name", "runtime"), [(name, runtime) for name in contract.PROMPT_MODELS for runtime in PROMPT_FILES]
)


def prompt_configuration(name: str, runtime: str) -> ModelConfig:
    return text_format.Parse((REPOSITORY / name / PROMPT_FILES[runtime]).read_text(), ModelConfig())


@every_prompt_configuration
def test_the_models_for_prompts_have_the_tensors_of_the_contract(name: str, runtime: str) -> None:
    config = prompt_configuration(name, runtime)
    embeddings = [
        (each, "TYPE_FP16", shape)
        for each, shape in zip(contract.EMBEDDING_NAMES, contract.EMBEDDING_SHAPES, strict=True)
    ]
    side, count = contract.MASK_SIZE, contract.MASKS_PER_PROMPT
    picture = (contract.INPUT_NAME, "TYPE_UINT8", (contract.PROMPT_SIZE, contract.PROMPT_SIZE, contract.CHANNELS))
    prompt = [(contract.POINTS_NAME, "TYPE_FP32", (-1, 2)), (contract.LABELS_NAME, "TYPE_INT32", (-1,))]
    answers = [
        (contract.MASKS_NAME, "TYPE_FP32", (count, side, side)),
        (contract.SCORES_NAME, "TYPE_FP32", (count,)),
    ]
    taken, given = ([picture], embeddings) if name == contract.ENCODER else ([*embeddings, *prompt], answers)
    for tensors, expected in ((config.input, taken), (config.output, given)):
        assert [(each.name, DataType.Name(each.data_type), tuple(each.dims)) for each in tensors] == expected


@every_prompt_configuration
def test_the_models_for_prompts_are_batched_and_their_queues_bounded(name: str, runtime: str) -> None:
    config = prompt_configuration(name, runtime)
    # TensorRT has no plan of them: the ONNX Runtime backend serves them beside its models.
    assert config.backend == ("python" if runtime == "python" else "onnxruntime")
    assert config.default_model_filename == MODEL_FILES[config.backend]
    kind = ModelInstanceGroup.KIND_CPU if runtime == "python" else ModelInstanceGroup.KIND_GPU
    assert [(group.kind, group.count) for group in config.instance_group] == [(kind, 1)]
    assert config.max_batch_size > 1
    assert list(config.dynamic_batching.preferred_batch_size) == ([1] if runtime == "python" else [])
    policy = config.dynamic_batching.default_queue_policy
    assert policy.timeout_action == ModelQueuePolicy.REJECT
    assert policy.allow_timeout_override
    sizes = {"TYPE_UINT8": 1, "TYPE_FP16": 2, "TYPE_FP32": 4, "TYPE_INT32": 4}
    waiting_bytes = sum(
        sizes[DataType.Name(each.data_type)] * math.prod(max(side, 1) for side in each.dims) for each in config.input
    )
    assert policy.max_queue_size >= 16
    assert policy.max_queue_size * waiting_bytes < 2**29


def matting(runtime: str) -> ModelConfig:
    return text_format.Parse((REPOSITORY / contract.MATTING_MODEL / FILES[runtime]).read_text(), ModelConfig())


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_matting_stage_takes_and_gives_what_the_contract_says(runtime: str) -> None:
    config, side = matting(runtime), contract.MATTING_TILE
    assert config.name == contract.MATTING_MODEL
    tensors = [(tensor.name, tuple(tensor.dims), tensor.data_type) for tensor in (*config.input, *config.output)]
    assert tensors == [
        (contract.MATTING_INPUT_NAME, (side, side, len(contract.MATTING_PLANES)), DataType.Value("TYPE_UINT8")),
        (contract.MATTING_OUTPUT_NAME, (side, side, 1), DataType.Value("TYPE_UINT8")),
    ]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_matting_stage_batches_tiles_within_bounds(runtime: str) -> None:
    config = matting(runtime)
    # Triton's OpenVINO backend pads to the largest batch, and the client sends up to eight tiles.
    assert config.max_batch_size == (8 if runtime == "openvino" else contract.MATTING_MAX_BATCH)
    policy = config.dynamic_batching.default_queue_policy
    assert policy.timeout_action == ModelQueuePolicy.REJECT
    assert 16 <= policy.max_queue_size <= 1024
    # TensorRT's engine of this small graph is built by ONNX Runtime's backend.
    assert config.backend == {"tensorrt": "onnxruntime"}.get(runtime, runtime)
    accelerators = [one.name for one in config.optimization.execution_accelerators.gpu_execution_accelerator]
    assert accelerators == (["tensorrt"] if runtime == "tensorrt" else [])
