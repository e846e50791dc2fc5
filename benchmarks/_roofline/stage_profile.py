"""Time of each stage of a graph in OpenVINO, from its own profile."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from _roofline.operation_count import AROUND, stage_of
from tuft_export.sample_images import sample_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Profile:
    """The times of one graph in one precision.

    Attributes:
        stages_s: Median seconds by stage, with profiling on.
        whole_s: Median seconds of a pass with profiling off.
    """

    stages_s: Mapping[str, float]
    whole_s: float


def profile(path: Path, precision: str, repetitions: int) -> Profile:
    """Runs a graph with and without profiling.

    Args:
        path: ONNX file with nodes named by module.
        precision: Precision of OpenVINO's computation, `f32` or `bf16`.
        repetitions: Passes that count, after one warm-up pass.
    """
    import openvino

    core = openvino.Core()
    graph = core.read_model(path)
    size = graph.inputs[0].partial_shape[1].get_length()
    graph.reshape([1, size, size, 3])
    properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    picture = sample_pictures(size, 1)
    plain = core.compile_model(graph, "CPU", properties).create_infer_request()
    plain.infer([picture])
    whole_s = statistics.median(_seconds(plain, picture) for _ in range(repetitions))
    del plain
    compiled = core.compile_model(graph, "CPU", {**properties, "PERF_COUNT": "YES"})
    stages, request = _stages_by_node(compiled.get_runtime_model()), compiled.create_infer_request()
    request.infer([picture])
    passes = []
    for _ in range(repetitions):
        request.infer([picture])
        passes.append(_by_stage(request.profiling_info, stages))
    return Profile({stage: statistics.median(one[stage] for one in passes) for stage in passes[0]}, whole_s)


def _seconds(request: Any, picture: Any) -> float:
    began_s = time.perf_counter()
    request.infer([picture])
    return time.perf_counter() - began_s


def _stages_by_node(runtime_model: Any) -> dict[str, str]:
    """The stage of each executed node, from its name, the names of nodes fused into it, or else its first input."""
    stages: dict[str, str] = {}
    for node in runtime_model.get_ordered_ops():
        name, info = node.get_friendly_name(), node.get_rt_info()
        originals = str(info["originalLayersNames"].astype(str)) if "originalLayersNames" in info else ""
        inputs = (value.get_source_output().get_node().get_friendly_name() for value in node.inputs())
        inherited = (stages[source] for source in inputs if source in stages)
        stage = stage_of(name) or stage_of(originals) or next(inherited, None)
        if stage is not None:
            stages[name] = stage
    return stages


def _by_stage(profiling_info: Any, stages: Mapping[str, str]) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    for node in profiling_info:
        seconds[stages.get(node.node_name) or stage_of(node.node_name) or AROUND] += node.real_time.total_seconds()
    return dict(seconds)
