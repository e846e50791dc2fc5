"""A machine with a GPU and TensorRT, as far as tuft can tell."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_tensorrt import fake_tensorrt
from support.faults import Faults
from support.native import compiled, cuda_headers, real_tensorrt
from support.tiny import mean_graph

from tuft_export.engines import cuda
from tuft_export.engines.build import Machine, this_machine
from tuft_export.engines.files import EngineFiles
from tuft_export.provenance import graph_record, write_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import onnx

    from tuft.provenance import Link

# What a graph of the tests says it came from.
CHECKPOINT: Link = {"kind": "checkpoint", "name": "tiny", "sha256": "00" * 32, "url": None, "licence": "MIT"}


class Driver:
    """The stub of the NVIDIA driver's library: what it pretends, and what it has seen."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def has(self, *gpus: tuple[str, int]) -> None:
        """Pretends these GPUs: name, and compute capability as in 89."""
        self.set("stub_gpus", len(gpus))
        for i, (name, capability) in enumerate(gpus):
            (ctypes.c_char * 64 * 4).in_dll(self._library, "stub_names")[i].value = name.encode()
            (ctypes.c_int * 4).in_dll(self._library, "stub_capabilities")[i] = capability

    def fails(self, function: str, status: int) -> None:
        """Lets one function fail."""
        self.write("stub_fails", function)
        self.set("stub_status", status)

    def set(self, name: str, value: int) -> None:
        ctypes.c_int.in_dll(self._library, name).value = value

    def get(self, name: str) -> int:
        return ctypes.c_int.in_dll(self._library, name).value

    def write(self, name: str, text: str) -> None:
        (ctypes.c_char * 64).in_dll(self._library, name).value = text.encode()

    def current(self) -> int:
        """The ordinal of this thread's GPU, or -1."""
        return int(self._library.stub_current())


@pytest.fixture(scope="session")
def driver_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("cuda_stub.c", tmp_path_factory.mktemp("driver") / "libcuda.so.1", cuda_headers())


@pytest.fixture
def driver(driver_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """A driver that sees one NVIDIA L4; whatever a test takes from it has to be given back."""
    monkeypatch.setattr(cuda, "LIBCUDA", str(driver_path))
    monkeypatch.setattr(cuda, "LIBNVML", str(driver_path))
    made = Driver(ctypes.CDLL(str(driver_path)))
    made.has(("NVIDIA L4", 89))
    made.fails("", 0)
    made.write("stub_driver", "580.95.05")
    yield made
    assert (made.get("stub_allocations"), made.get("stub_streams")) == (0, 0)


@pytest.fixture
def faults(driver: Driver) -> Faults:
    return Faults(device_of=driver.current)


@pytest.fixture
def install(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Installs the fake TensorRT of a version: `install("10.12.0.36")`."""

    def put(version: str) -> Any:
        module = fake_tensorrt(faults, version)
        monkeypatch.setitem(sys.modules, "tensorrt", module)
        return module

    return put


@pytest.fixture
def machine(install: Callable[[str], Any]) -> Machine:
    """One L4 with TensorRT 11.4."""
    install("11.4.0.106")
    return this_machine(None)


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., EngineFiles]:
    """Puts a graph with its record into a folder of engines: `place(graph)`."""

    def put(model: onnx.ModelProto | None = None, *, size: int = 384, precision: str = "fp32") -> EngineFiles:
        model = model or mean_graph(size)
        files = EngineFiles(tmp_path / "engines", size)
        files.folder.mkdir(exist_ok=True)
        files.graph.write_bytes(content := model.SerializeToString())
        write_record(files.graph, graph_record(CHECKPOINT, model, content, size=size, precision=precision))
        return files

    return put


@pytest.fixture(scope="session")
def bindings(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """TensorRT's real Python bindings, without TensorRT."""
    return real_tensorrt(tmp_path_factory.mktemp("tensorrt"))
