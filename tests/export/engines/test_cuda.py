"""The driver's library: which GPUs there are, memory and streams that are given back, failures in one sentence."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tuft_export.engines import cuda
from tuft_export.engines.cuda import Cuda, DeviceArray, Gpu, Stream, choose_gpu
from tuft_export.errors import EngineError

if TYPE_CHECKING:
    from conftest import Driver


def gpu(name: str, index: int = 0) -> Gpu:
    return Gpu(index, name, "8.9", 24 << 30, "580.95.05")


def test_every_gpu_is_described(driver: Driver) -> None:
    driver.has(("NVIDIA L4", 89), ("NVIDIA H100 80GB HBM3", 90), ("NVIDIA B200", 100))
    assert Cuda().gpus() == (
        Gpu(0, "NVIDIA L4", "8.9", 24 << 30, "580.95.05"),
        Gpu(1, "NVIDIA H100 80GB HBM3", "9.0", 24 << 30, "580.95.05"),
        Gpu(2, "NVIDIA B200", "10.0", 24 << 30, "580.95.05"),
    )


def test_arrays_come_back_from_the_gpu(driver: Driver) -> None:
    sent = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    received = np.zeros((2, 4, 5), np.float32)
    made = Cuda()
    with made.on(gpu("NVIDIA L4")), DeviceArray(made, sent.nbytes) as memory:
        memory.upload(sent)
        memory.download(received)
        assert driver.get("stub_allocations") == 1
    np.testing.assert_array_equal(received, sent[:2])


def test_streams_have_handles(driver: Driver) -> None:
    made = Cuda()
    with made.on(gpu("NVIDIA L4")), Stream(made) as stream:
        assert stream.handle
        stream.synchronise()


def test_the_chosen_gpu_is_current_in_this_thread_only(driver: Driver) -> None:
    driver.has(("NVIDIA H100", 90), ("NVIDIA L4", 89))
    made, elsewhere = Cuda(), []
    with made.on(gpu("NVIDIA L4", index=1)):
        assert driver.current() == 1
        thread = threading.Thread(target=lambda: elsewhere.append(driver.current()))
        thread.start()
        thread.join()
    assert elsewhere == [-1]
    assert driver.current() == -1


def test_a_failure_gives_the_gpu_back(driver: Driver) -> None:
    made = Cuda()
    with pytest.raises(RuntimeError, match="on purpose"), made.on(gpu("NVIDIA L4")):
        raise RuntimeError("on purpose")
    assert driver.current() == -1


def test_full_memory_says_so(driver: Driver) -> None:
    driver.fails("cuMemAlloc_v2", 2)
    made = Cuda()
    with made.on(gpu("NVIDIA L4")), pytest.raises(EngineError, match=r"memory is full .* stop what else uses it"):
        DeviceArray(made, 1)


def test_without_a_gpu(driver: Driver) -> None:
    driver.has()
    with pytest.raises(EngineError, match=r"cuInit: CUDA_ERROR_NO_DEVICE.*--gpus all"):
        Cuda()


def test_errors_without_a_name_have_their_number(driver: Driver) -> None:
    driver.fails("cuInit", 804)
    with pytest.raises(EngineError, match="cuInit: error 804"):
        Cuda()


def test_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "LIBCUDA", "libnowhere.so.1")
    with pytest.raises(EngineError, match=r"No NVIDIA driver was found \(libnowhere.*--gpus all"):
        Cuda()


def test_without_the_management_library(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "LIBNVML", "libnowhere.so.1")
    with pytest.raises(EngineError, match="NVIDIA_DRIVER_CAPABILITIES=compute,utility"):
        Cuda().gpus()


def test_a_failing_management_library(driver: Driver) -> None:
    driver.fails("nvmlSystemGetDriverVersion", 9)
    with pytest.raises(EngineError, match="NVML error 9"):
        Cuda().gpus()


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [(None, 0), ("L4", 1), ("l40s", 0), ("NVIDIA L4", 1), ("H100", 2), ("H100 80GB", 2)],
)
def test_gpus_are_chosen_by_whole_words(wanted: str | None, chosen: int) -> None:
    gpus = (gpu("NVIDIA L40S", 0), gpu("NVIDIA L4", 1), gpu("NVIDIA H100 80GB HBM3", 2))
    assert choose_gpu(gpus, wanted).index == chosen


@pytest.mark.parametrize("wanted", ["L4", "80", "L40", "H200", "(", ""])
def test_a_gpu_that_is_not_there(wanted: str) -> None:
    gpus = (gpu("NVIDIA L40S", 0), gpu("NVIDIA L40S", 1))
    with pytest.raises(EngineError, match=r"only NVIDIA L40S: .*leave --device out"):
        choose_gpu(gpus, wanted)


def test_no_gpu_at_all() -> None:
    with pytest.raises(EngineError, match="No GPU is visible"):
        choose_gpu((), "L4")
