"""The requests to TensorRT: precision, shapes, limits, timings; and the errors where it refuses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.fake_tensorrt import (
    BuilderFlag,
    MemoryPoolType,
    NetworkDefinitionCreationFlag,
    ProfilingVerbosity,
)
from support.tiny import mean_graph

from tuft import contract
from tuft_export.engines.builder import BuildOptions, Tuning, plan_from_onnx
from tuft_export.engines.callbacks import file_logger, progress_monitor
from tuft_export.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.fake_tensorrt import IBuilderConfig
    from support.faults import Faults

SPEC = contract.MODELS[384]
OPTIONS = BuildOptions(max_batch_size=SPEC.max_batch_size, tf32=True)


@pytest.fixture
def build(install: Callable[[str], Any], tmp_path: Path) -> Any:
    """Builds with the fake: `build(options)`; the timing cache is `timing.cache` in `tmp_path`."""
    trt = install("11.4.0.106")

    def run(options: BuildOptions = OPTIONS) -> bytes | None:
        with (tmp_path / "log").open("w") as log:
            return plan_from_onnx(
                trt,
                mean_graph(SPEC.size).SerializeToString(),
                SPEC,
                options,
                logger=file_logger(trt, log),
                monitor=progress_monitor(trt, lambda: False, progress=False),
                timing_cache=tmp_path / "timing.cache",
            )

    return run


def configuration(faults: Faults) -> IBuilderConfig:
    (config,) = faults.configs
    return config  # type: ignore[no-any-return]


def test_the_plan_holds_the_graph(build: Any) -> None:
    plan = build()
    assert isinstance(plan, bytes)
    assert plan.endswith(mean_graph(SPEC.size).SerializeToString())


def test_networks_are_strongly_typed(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorrt

    seen = []
    create = tensorrt.Builder.create_network
    monkeypatch.setattr(
        tensorrt.Builder, "create_network", lambda self, flags: seen.append(flags) or create(self, flags)
    )
    build()
    assert seen == [1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED]


def test_one_profile_from_one_to_the_largest_batch(build: Any, faults: Faults) -> None:
    build()
    (profile,) = configuration(faults).profiles
    assert profile.shapes == {"IMAGE": ((1, 384, 384, 3), (1, 384, 384, 3), (16, 384, 384, 3))}


def test_layers_keep_their_details(build: Any, faults: Faults) -> None:
    build()
    assert configuration(faults).profiling_verbosity == ProfilingVerbosity.DETAILED


@pytest.mark.parametrize("tf32", [True, False])
def test_tf32_only_where_it_is_asked_for(tf32: bool, build: Any, faults: Faults) -> None:
    build(BuildOptions(max_batch_size=16, tf32=tf32))
    assert configuration(faults).cleared == (set() if tf32 else {BuilderFlag.TF32})


@pytest.mark.parametrize(("workspace_mb", "pools"), [(None, {}), (512, {MemoryPoolType.WORKSPACE: 512 << 20})])
def test_workspace(workspace_mb: int | None, pools: dict[Any, int], build: Any, faults: Faults) -> None:
    build(BuildOptions(max_batch_size=16, tf32=True, workspace_mb=workspace_mb))
    assert configuration(faults).pools == pools


def test_optimization_level(build: Any, faults: Faults) -> None:
    build(BuildOptions(max_batch_size=16, tf32=True, optimization_level=5))
    assert configuration(faults).builder_optimization_level == 5


def test_timings_are_kept_and_used_again(build: Any, faults: Faults, tmp_path: Path) -> None:
    build()
    saved = (tmp_path / "timing.cache").read_bytes()
    assert saved == b"timings of NVIDIA L4: measured"
    build()
    first, second = faults.configs
    assert second.given.content == saved
    assert first.given.content == b""


@pytest.mark.parametrize("stale", [b"timings of NVIDIA H100: measured", b"damaged", b""])
def test_timings_that_do_not_fit_are_replaced(stale: bytes, build: Any, faults: Faults, tmp_path: Path) -> None:
    (tmp_path / "timing.cache").write_bytes(stale)
    assert build() is not None
    assert configuration(faults).given.content == b""
    assert (tmp_path / "timing.cache").read_bytes() == b"timings of NVIDIA L4: measured"


def test_every_error_of_the_parser_is_told_in_one_line(build: Any, faults: Faults) -> None:
    faults.parser_errors = ["In node 3:\n  no importer for Einsum", "In node 7: unsupported type"]
    with pytest.raises(EngineError) as caught:
        build()
    message = str(caught.value)
    assert "(In node 3: no importer for Einsum; In node 7: unsupported type)" in message
    assert "\n" not in message
    assert message.endswith("export it again, or serve this model with the runtime onnxruntime.")


def test_a_profile_that_is_refused(build: Any, faults: Faults) -> None:
    faults.profile_index = -1
    with pytest.raises(EngineError, match=r"IMAGE of \(1, 384, 384, 3\) to \(16, 384, 384, 3\).*export it again"):
        build()


def test_a_shape_that_is_refused(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bindings raise RuntimeError where the shape contradicts the graph."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("Shape provided for max is inconsistent with other shapes.")

    monkeypatch.setattr("support.fake_tensorrt.IOptimizationProfile.set_shape", refuse)
    with pytest.raises(EngineError, match="export it again"):
        build()


def test_a_build_that_fails_gives_nothing(build: Any, faults: Faults, tmp_path: Path) -> None:
    faults.builds = False
    assert build() is None
    assert not (tmp_path / "timing.cache").exists()


@pytest.mark.parametrize("level", [-1, 6])
def test_optimization_levels_out_of_range(level: int) -> None:
    with pytest.raises(EngineError, match="from 0 to 5"):
        Tuning(optimization_level=level)


@pytest.mark.parametrize("workspace_mb", [0, -5])
def test_workspaces_out_of_range(workspace_mb: int) -> None:
    with pytest.raises(EngineError, match="1 or more"):
        Tuning(workspace_mb=workspace_mb)
