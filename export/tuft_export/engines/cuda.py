"""A minimal CUDA interface through the driver's library: GPUs, device memory and streams.

The driver is present wherever a GPU can be used, also in Triton's container, and its binary interface is stable. So
neither torch nor the CUDA toolkit has to be installed beside TensorRT.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tuft_export.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

# The driver's libraries, under the names that the container toolkit mounts.
LIBCUDA: Final = "libcuda.so.1"
LIBNVML: Final = "libnvidia-ml.so.1"

# CUdevice_attribute and CUresult of cuda.h.
_COMPUTE_CAPABILITY_MAJOR: Final = 75
_COMPUTE_CAPABILITY_MINOR: Final = 76
_OUT_OF_MEMORY: Final = 2

# At least NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE and the longest name of a GPU.
_TEXT_BYTES: Final = 256


@dataclass(frozen=True)
class Gpu:
    """One GPU that is visible to CUDA, subject to `CUDA_VISIBLE_DEVICES`.

    Attributes:
        index: Its CUDA ordinal.
        name: The driver's name for it, such as `NVIDIA L4`.
        compute_capability: Such as `8.9`.
        memory_bytes: Total memory.
        driver: Version of the NVIDIA driver.
    """

    index: int
    name: str
    compute_capability: str
    memory_bytes: int
    driver: str


class Cuda:
    """The driver's library, loaded and initialised.

    Raises:
        EngineError: There is no driver, or it sees no GPU.
    """

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(LIBCUDA)
        except OSError as exc:
            raise EngineError(
                f"No NVIDIA driver was found ({exc}): build engines on the machine that will serve them, and start "
                "a container with --gpus all."
            ) from exc
        self.call("cuInit", ctypes.c_uint(0))

    def call(self, function: str, *arguments: Any) -> None:
        """Calls one function; every argument is a ctypes value of the width declared in cuda.h.

        Raises:
            EngineError: The driver reports a failure.
        """
        status: int = getattr(self._library, function)(*arguments)
        if status == _OUT_OF_MEMORY:
            raise EngineError(f"The GPU's memory is full ({function}): stop what else uses it, then build again.")
        if status:
            name = ctypes.c_char_p()
            self._library.cuGetErrorName(ctypes.c_int(status), ctypes.byref(name))
            reason = name.value.decode() if name.value else f"error {status}"
            raise EngineError(
                f"CUDA failed ({function}: {reason}): check with nvidia-smi that the driver sees a GPU, and start a "
                "container with --gpus all."
            )

    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that are visible to CUDA."""
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        driver = driver_version() if count.value else ""
        return tuple(self._gpu(index, driver) for index in range(count.value))

    @contextlib.contextmanager
    def on(self, gpu: Gpu) -> Iterator[None]:
        """Makes `gpu` the current one of CUDA, and so of TensorRT, in this thread."""
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(gpu.index))
        # The CUDA runtime inside TensorRT uses the primary context too. It is never released: TensorRT's objects may
        # outlive this block, and the process ends soon.
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxPushCurrent_v2", context)
        try:
            yield
        finally:
            self.call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))

    def _gpu(self, index: int, driver: str) -> Gpu:
        device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(index))
        name, memory_bytes = ctypes.create_string_buffer(_TEXT_BYTES), ctypes.c_size_t()
        self.call("cuDeviceGetName", name, ctypes.c_int(_TEXT_BYTES), device)
        self.call("cuDeviceTotalMem_v2", ctypes.byref(memory_bytes), device)
        major = self._attribute(_COMPUTE_CAPABILITY_MAJOR, device)
        minor = self._attribute(_COMPUTE_CAPABILITY_MINOR, device)
        return Gpu(index, name.value.decode(), f"{major}.{minor}", memory_bytes.value, driver)

    def _attribute(self, attribute: int, device: ctypes.c_int) -> int:
        value = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(attribute), device)
        return value.value


class DeviceArray:
    """Memory on the current GPU; a context manager."""

    def __init__(self, cuda: Cuda, nbytes: int) -> None:
        self._cuda = cuda
        self._pointer = ctypes.c_uint64()
        cuda.call("cuMemAlloc_v2", ctypes.byref(self._pointer), ctypes.c_size_t(nbytes))

    @property
    def address(self) -> int:
        """Its device address, for TensorRT."""
        return self._pointer.value

    def upload(self, array: NDArray[np.generic]) -> None:
        """Copies a contiguous array to the start of this memory."""
        self._cuda.call("cuMemcpyHtoD_v2", self._pointer, _data(array), ctypes.c_size_t(array.nbytes))

    def download(self, array: NDArray[np.generic]) -> None:
        """Fills a contiguous array from the start of this memory."""
        self._cuda.call("cuMemcpyDtoH_v2", _data(array), self._pointer, ctypes.c_size_t(array.nbytes))

    def __enter__(self) -> DeviceArray:
        return self

    def __exit__(self, *_: object) -> None:
        self._cuda.call("cuMemFree_v2", self._pointer)


class Stream:
    """A stream of the current GPU; a context manager.

    It is a blocking stream: it waits for the copies of `DeviceArray`, which use the default stream.
    """

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._stream = ctypes.c_void_p()
        cuda.call("cuStreamCreate", ctypes.byref(self._stream), ctypes.c_uint(0))

    @property
    def handle(self) -> int:
        """Its handle, for TensorRT."""
        return self._stream.value or 0

    def synchronise(self) -> None:
        """Waits until everything on the stream is done."""
        self._cuda.call("cuStreamSynchronize", self._stream)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._cuda.call("cuStreamDestroy_v2", self._stream)


def choose_gpu(gpus: tuple[Gpu, ...], wanted: str | None) -> Gpu:
    """The first GPU, or the first whose name contains `wanted`.

    Args:
        gpus: The visible GPUs.
        wanted: One or more whole words of a name: `L4` is not `NVIDIA L40S`.

    Raises:
        EngineError: There is no such GPU.
    """
    if not gpus:
        raise EngineError("No GPU is visible: build engines where they will serve, in a container with --gpus all.")
    if wanted is None:
        return gpus[0]
    whole_words = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)", re.IGNORECASE)
    for gpu in gpus:
        if whole_words.search(gpu.name):
            return gpu
    present = ", ".join(dict.fromkeys(gpu.name for gpu in gpus))
    raise EngineError(
        f"No GPU here is called {wanted}, only {present}: an engine belongs to the GPU it was built on, so build it "
        "where it will serve, or leave --device out."
    )


def driver_version() -> str:
    """Version of the NVIDIA driver, from its management library NVML.

    Raises:
        EngineError: The library is missing or fails.
    """
    try:
        library = ctypes.CDLL(LIBNVML)
    except OSError as exc:
        raise EngineError(
            f"The NVIDIA driver's version cannot be told ({exc}): start the container with "
            "NVIDIA_DRIVER_CAPABILITIES=compute,utility."
        ) from exc
    version = ctypes.create_string_buffer(_TEXT_BYTES)
    status = library.nvmlInit_v2() or library.nvmlSystemGetDriverVersion(version, ctypes.c_uint(_TEXT_BYTES))
    library.nvmlShutdown()
    if status:
        raise EngineError(f"The NVIDIA driver's version cannot be told (NVML error {status}): check nvidia-smi.")
    return version.value.decode()


def _data(array: NDArray[np.generic]) -> ctypes.c_void_p:
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)
