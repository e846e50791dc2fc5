"""The build of one engine: built, verified, recorded, reused while nothing has changed, and never incomplete."""

from __future__ import annotations

import json
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.tiny import mean_graph, mixing_graph

from tuft.files import file_hash
from tuft_export.engines.build import build_engine, this_machine
from tuft_export.engines.builder import Tuning
from tuft_export.engines.files import EngineFiles
from tuft_export.errors import EngineError
from tuft_export.provenance import engine_chain, read_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Driver
    from numpy.typing import NDArray
    from support.faults import Faults

    from tuft_export.engines.build import Engine, Machine

GRAPH_FILES = {"model_384.onnx", "model_384.onnx.json"}
ENGINE_FILES = {"model_384.plan", "model_384.plan.json", "model_384.layers.json", "model_384.log", "timing.cache"}


def run(machine: Machine, files: EngineFiles, *, force: bool = False, **tuning: Any) -> Engine:
    return build_engine(machine, files, Tuning(**tuning), force=force, progress=False)


def names(files: EngineFiles) -> set[str]:
    return {path.name for path in files.folder.iterdir()}


def contents(files: EngineFiles) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in files.folder.iterdir()}


def darker(saliency: NDArray[np.float32]) -> NDArray[np.float32]:
    return saliency * np.float32(0.9)


def test_everything_is_written_and_can_be_published(machine: Machine, place: Any) -> None:
    files = place()
    engine = run(machine, files)
    assert names(files) == GRAPH_FILES | ENGINE_FILES
    assert [link["kind"] for link in engine_chain(files.folder, 384)] == ["checkpoint", "onnx", "plan"]
    assert engine.record == read_record(files.plan)


def test_the_record_tells_machine_options_and_proof(machine: Machine, place: Any) -> None:
    files = place()
    record = run(machine, files, workspace_mb=512).record
    assert record["kind"] == "plan"
    assert record["sha256"] == file_hash(files.plan)
    assert record["from"] == file_hash(files.graph)
    assert (record["tensorrt"], record["driver"]) == ("11.4.0.106", "580.95.05")
    assert (record["gpu"], record["compute_capability"]) == ("NVIDIA L4", "8.9")
    assert record["options"] == {
        "workspace_mb": 512, "optimization_level": 3, "max_batch_size": 16, "tf32": False, "recipe": 1,
    }  # fmt: skip
    assert record["device_memory_bytes"] == 1234
    assert record["build_s"] >= 0
    assert record["verification"]["equal"] is True
    assert [batch["batch_size"] for batch in record["verification"]["batches"]] == [1, 2, 16]


def test_half_precision_may_use_tf32(machine: Machine, place: Any) -> None:
    assert run(machine, place(precision="fp16")).record["options"]["tf32"] is True


def test_log_and_layers(machine: Machine, place: Any) -> None:
    files = place()
    run(machine, files)
    log = files.log.read_text()
    assert "INFO           Building." in log
    assert "Every detail" not in log
    assert "batch 16: max" in log
    assert json.loads(files.layers.read_text())["Layers"] == [{"Name": "everything"}]


def test_a_second_build_changes_nothing(machine: Machine, place: Any, faults: Faults) -> None:
    files = place()
    first = run(machine, files)
    before = contents(files)
    second = run(machine, files)
    assert second.record == first.record
    assert second.verification is None
    assert faults.builds_counted == 1
    assert contents(files) == before


@pytest.mark.parametrize(
    "change",
    ["tensorrt", "driver", "gpu", "capability", "option", "graph", "precision", "force", "plan", "record", "no record"],
)
def test_whatever_has_changed_is_built_again(
    change: str, install: Callable[[str], Any], driver: Driver, place: Any, faults: Faults
) -> None:
    install("11.3.0.99" if change == "tensorrt" else "11.4.0.106")
    files = place()
    run(this_machine(None), files)
    if change == "tensorrt":
        install("11.4.0.106")
    elif change == "driver":
        driver.write("stub_driver", "595.10.01")
    elif change == "gpu":
        driver.has(("NVIDIA L40S", 89))
    elif change == "capability":
        driver.has(("NVIDIA L4", 90))
    elif change == "graph":
        place(mixing_graph(384))
    elif change == "precision":
        place(precision="fp16")
    elif change == "plan":
        files.plan.write_bytes(files.plan.read_bytes()[:-1])
    elif change == "record":
        files.plan.with_name("model_384.plan.json").write_text("{")
    elif change == "no record":
        files.plan.with_name("model_384.plan.json").unlink()
    level = 4 if change == "option" else 3
    engine = run(this_machine(None), files, force=change == "force", optimization_level=level)
    assert faults.builds_counted == 2
    assert engine.verification
    assert names(files) == GRAPH_FILES | ENGINE_FILES
    assert engine_chain(files.folder, 384)[-1] == engine.record


def test_a_failing_proof_leaves_only_its_log(machine: Machine, place: Any, faults: Faults) -> None:
    faults.bend = darker
    files = place()
    with pytest.raises(EngineError, match="does not compute what its graph computes"):
        run(machine, files)
    assert names(files) == GRAPH_FILES | {"model_384.failed.log", "timing.cache"}
    assert "batch 16: max" in files.failed_log.read_text()


def test_an_older_engine_stays_until_the_new_one_is_proven(
    install: Callable[[str], Any], driver: Driver, place: Any, faults: Faults
) -> None:
    install("11.3.0.99")
    files = place()
    run(this_machine(None), files)
    before = contents(files)
    install("11.4.0.106")
    faults.bend = darker
    with pytest.raises(EngineError):
        run(this_machine(None), files)
    assert contents(files).items() >= {k: v for k, v in before.items() if k != "timing.cache"}.items()
    assert engine_chain(files.folder, 384)[-1]["tensorrt"] == "11.3.0.99"
    faults.bend = lambda saliency: saliency
    assert run(this_machine(None), files).record["tensorrt"] == "11.4.0.106"
    assert names(files) == GRAPH_FILES | ENGINE_FILES


def test_a_failing_build_says_why_and_leaves_only_its_log(machine: Machine, place: Any, faults: Faults) -> None:
    faults.builds = False
    files = place()
    with pytest.raises(EngineError, match=r"Could not find any implementation for node") as caught:
        run(machine, files)
    assert f"read {files.failed_log}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(files) == GRAPH_FILES | {"model_384.failed.log"}


def test_a_plan_that_cannot_be_loaded_is_not_kept(machine: Machine, place: Any, faults: Faults) -> None:
    faults.loads = False
    files = place()
    with pytest.raises(EngineError, match="cannot load the engine"):
        run(machine, files)
    assert not files.plan.exists()


def interrupting(faults: Faults) -> Callable[[int], None]:
    """Ctrl-C while TensorRT computes its first step, which ends after we have noticed."""

    def on_step(step: int) -> None:
        faults.steps.append(step)
        if step == 0:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            deadline = time.monotonic() + 10
            while faults.configs[-1].progress_monitor.step_complete("another", 0) and time.monotonic() < deadline:
                time.sleep(0.01)

    return on_step


def test_ctrl_c_stops_at_the_next_step_and_leaves_nothing(machine: Machine, place: Any, faults: Faults) -> None:
    faults.on_step = interrupting(faults)
    files = place()
    with pytest.raises(KeyboardInterrupt):
        run(machine, files)
    assert faults.steps == [0]
    assert names(files) == GRAPH_FILES


def test_ctrl_c_keeps_an_older_engine(machine: Machine, place: Any, faults: Faults) -> None:
    files = place()
    run(machine, files)
    before = contents(files)
    faults.on_step = interrupting(faults)
    with pytest.raises(KeyboardInterrupt):
        run(machine, files, force=True)
    assert contents(files) == before


def test_ctrl_c_works_as_before_afterwards(machine: Machine, place: Any) -> None:
    before = signal.getsignal(signal.SIGINT)
    run(machine, place())
    assert signal.getsignal(signal.SIGINT) is before


def test_engines_are_built_in_other_threads_too(machine: Machine, place: Any) -> None:
    files, built = place(), []
    thread = threading.Thread(target=lambda: built.append(run(machine, files)))
    thread.start()
    thread.join()
    assert built[0].verification


def test_ctrl_c_during_the_proof_leaves_nothing(machine: Machine, place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tuft_export.engines.build.reference_saliency", interrupted)
    files = place()
    with pytest.raises(KeyboardInterrupt):
        run(machine, files)
    assert names(files) == GRAPH_FILES | {"timing.cache"}


def test_the_graph_in_place_must_be_what_its_record_says(machine: Machine, place: Any, tmp_path: Path) -> None:
    files = place()
    files.graph.write_bytes(b"another")
    for wrong in (files, EngineFiles(files.folder, 1024), EngineFiles(tmp_path / "nowhere", 384)):
        with pytest.raises(EngineError, match=rf"--onnx-only --size {wrong.size}"):
            run(machine, wrong)
    assert not (tmp_path / "nowhere").exists()


def test_a_graph_of_another_size(machine: Machine, place: Any) -> None:
    files = place(mean_graph(384), size=1024)
    files.graph.rename(files.folder / "model_384.onnx")
    files.graph.with_name("model_1024.onnx.json").rename(files.folder / "model_384.onnx.json")
    with pytest.raises(EngineError, match="--onnx-only --size 384"):
        run(machine, EngineFiles(files.folder, 384))


def test_a_graph_of_unknown_precision(machine: Machine, place: Any) -> None:
    with pytest.raises(EngineError, match=r"unknown precision \(int8\): export it again"):
        run(machine, place(precision="int8"))


def test_the_asked_gpu_is_the_one_that_builds(
    install: Callable[[str], Any], driver: Driver, place: Any, faults: Faults
) -> None:
    install("11.4.0.106")
    driver.has(("NVIDIA L40S", 89), ("NVIDIA L4", 89))
    engine = run(this_machine("L4"), place())
    assert engine.record["gpu"] == "NVIDIA L4"
    assert faults.devices == [1]
