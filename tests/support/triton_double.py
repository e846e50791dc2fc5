"""A gRPC server that speaks Triton's protocol in this process."""

# ruff: noqa: N802 (the service's methods carry the names of its protocol)

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tuft import contract

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIZE = 384
MODEL = contract.model_name(SIZE)
NUMPY_DTYPES = {"FP32": np.float32, "FP16": np.float16}


def red_channel(image: NDArray[np.uint8]) -> NDArray[Any]:
    return image[..., 0] / np.float32(255)


@dataclass
class Double(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves one model; tests change its attributes to inject failures."""

    inputs: tuple[tuple[str, str, list[int]], ...] = (("IMAGE", "UINT8", [-1, SIZE, SIZE, 3]),)
    outputs: tuple[tuple[str, str, list[int]], ...] = (("SALIENCY", "FP32", [-1, SIZE, SIZE]),)
    compute: Callable[[NDArray[np.uint8]], NDArray[Any]] = red_channel
    failure: tuple[grpc.StatusCode, str] | None = None
    delay_s: float = 0.0
    sent_bytes: bool = True
    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    calls: list[dict[str, str]] = field(default_factory=list)  # the headers of calls other than inferences
    metadata_requests: int = 0
    versions: tuple[str, ...] = ("7",)
    others: tuple[str, ...] = ()
    key: str = ""
    asked: threading.Event = field(default_factory=threading.Event)
    abandoned: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def ServerMetadata(self, request: Any, context: Any) -> Any:
        return service_pb2.ServerMetadataResponse(name="triton", version="2.51.0")

    def ModelReady(self, request: Any, context: Any) -> Any:
        return service_pb2.ModelReadyResponse(ready=request.name == MODEL)

    def ModelMetadata(self, request: Any, context: Any) -> Any:
        self.metadata_requests += 1
        self.calls.append(dict(context.invocation_metadata()))
        if request.name != MODEL:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Request for unknown model: '{request.name}' is not found")
        tensor = service_pb2.ModelMetadataResponse.TensorMetadata
        return service_pb2.ModelMetadataResponse(
            name=request.name,
            versions=self.versions,
            inputs=[tensor(name=name, datatype=dtype, shape=shape) for name, dtype, shape in self.inputs],
            outputs=[tensor(name=name, datatype=dtype, shape=shape) for name, dtype, shape in self.outputs],
        )

    def RepositoryIndex(self, request: Any, context: Any) -> Any:
        header = ("triton-grpc-protocol-tuft-key", self.key)
        if self.key and header not in context.invocation_metadata():
            context.abort(grpc.StatusCode.UNAVAILABLE, f"This protocol is restricted, expecting header '{header[0]}'")
        entry = service_pb2.RepositoryIndexResponse.ModelIndex
        ready = [entry(name=name, version="1", state="READY") for name in (MODEL, *self.others)]
        return service_pb2.RepositoryIndexResponse(models=[*ready, entry(name="unloaded", state="UNAVAILABLE")])

    def ModelInfer(self, request: Any, context: Any) -> Any:
        context.add_callback(lambda: None if context.is_active() else self.abandoned.set())
        self.metadata.append(dict(context.invocation_metadata()))
        self.requests.append(request)
        self.asked.set()
        self.released.wait(self.delay_s)
        if self.failure is not None:
            context.abort(*self.failure)
        image = np.frombuffer(request.raw_input_contents[0], np.uint8).reshape(request.inputs[0].shape)[0]
        saliency = self.compute(image).astype(NUMPY_DTYPES[self.outputs[0][1]])
        reply = service_pb2.ModelInferResponse(model_name=request.model_name, model_version="7")
        reply.outputs.add(name="SALIENCY", datatype=self.outputs[0][1], shape=[1, *saliency.shape])
        if self.sent_bytes:
            reply.raw_output_contents.append(saliency.tobytes())
        return reply


@contextmanager
def listening(
    double: Double, credentials: grpc.ServerCredentials | None = None, *, host: str = "127.0.0.1"
) -> Iterator[str]:
    """The address of `double` inside the `with` block, with TLS if there are credentials."""
    limits = [("grpc.max_receive_message_length", 2**26), ("grpc.max_send_message_length", 2**26)]
    grpc_server = grpc.server(futures.ThreadPoolExecutor(20), options=limits)
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(double, grpc_server)
    address = f"{host}:0"
    port = grpc_server.add_secure_port(address, credentials) if credentials else grpc_server.add_insecure_port(address)
    grpc_server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        double.released.set()
        grpc_server.stop(None).wait()
