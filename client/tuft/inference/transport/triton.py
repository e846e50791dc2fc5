"""NVIDIA Triton over gRPC: the only module that imports tritonclient."""

from __future__ import annotations

import weakref
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft import contract
from tuft.errors import (
    ContractError,
    ModelUnavailableError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
    SetupError,
)
from tuft.inference.resilience import Deadline
from tuft.inference.transport.access import Access
from tuft.inference.transport.address import grpc_target_from_url, is_loopback
from tuft.inference.transport.answers import REMEDY, contract_problem, saliency_from_reply, values_from_reply
from tuft.inference.transport.base import (
    PROBE_TIMEOUT_S,
    CallOptions,
    Inference,
    NetworkInput,
    ServerInfo,
    Tensors,
    stated_input,
)
from tuft.inference.transport.failures import Connection, closed_while_connecting, error_from_status
from tuft.inference.transport.messages import Reply, with_inputs
from tuft.inference.transport.probe import closed_because, proxy_for
from tuft.inference.transport.regions import Regions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tuft.inference.transport.regions import Region

# A 2048 picture is 12.6 MB and its FP32 saliency 16.8 MB; gRPC's own limit is 4 MB.
MAX_MESSAGE_BYTES: Final = 64 * 2**20
# By default gRPC waits up to two minutes before it reconnects; a restarted server is back sooner.
MAX_RECONNECT_MS: Final = 2_000

# What `deploy/triton.sh` and `tuft serve` restrict is open to clients that send the server's key in this header.
KEY_HEADER: Final = "triton-grpc-protocol-tuft-key"

_INFER: Final = "/inference.GRPCInferenceService/ModelInfer"

# Triton's names of numpy's types, those that requests are made of.
_DTYPES: Final = {"uint8": "UINT8", "float16": "FP16", "float32": "FP32", "int32": "INT32"}

# Bytes of a value of `SALIENCY`, which may be of the smaller type.
_SALIENCY_BYTES: Final = 4
# Of a request whose region is not there any more.
_NO_REGION: Final = "Unable to find shared memory region"

_CHANNEL_ARGUMENTS: Final = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", MAX_RECONNECT_MS),
    # `grpc.experimental.ChannelOptions.SingleThreadedUnaryStream`: without another thread tensors take half the time.
    ("SingleThreadedUnaryStream", 1),
]


class TritonTransport:
    """A connection to a Triton server, shared by any number of threads.

    The first request connects; making a transport never waits.

    Args:
        url: Where the server's gRPC port is; see `grpc_target_from_url`.
        model_version: Version of every model to use; empty leaves the choice to the server.
        access: Certificates, token and headers; none by default.

    Raises:
        OptionError: `url` is not an address, or `access` does not fit it.
        SetupError: tritonclient is not installed.
    """

    def __init__(self, url: str, *, model_version: str = "", access: Access | None = None) -> None:
        self.server, secure = grpc_target_from_url(url)
        self._access = access or Access()
        loopback = is_loopback(self.server)
        self._access.require_fits(self.server, secure=secure, loopback=loopback)
        self._library = _tritonclient()
        # gRPC would use http_proxy even for loopback addresses.
        arguments = [*_CHANNEL_ARGUMENTS, ("grpc.enable_http_proxy", int(not loopback))]
        self._client = self._library.InferenceServerClient(
            self.server, channel_args=arguments, **(self._access.tls_arguments() if secure else {})
        )
        # Bytes in, bytes out: tritonclient's own call copies tensors three times. Of grpc's kinds of calls, a stream
        # alone can be waited for in the calling thread and cancelled from another; this one has a single message.
        self._infer = self._client._channel.unary_stream(_INFER)
        self._headers = self._access.metadata()
        if self._headers:
            self._client.register_plugin(partial(_add_headers, self._headers))
        host = self.server.rpartition(":")[0]
        self._connection = Connection(
            self.server,
            secure=secure,
            proxy="" if loopback else proxy_for(host),
            root_certificates=self._access.root_certificates,
            client_certificate=self._access.client_certificate,
        )
        self._model_version = model_version
        self._sizes: dict[str, int] = {}
        self._inputs: dict[str, NetworkInput] = {}
        self._regions: Regions | None = None
        if self._access.shared_memory and loopback:
            self._regions = Regions(self.server, _Registry(self._client, self._connection, self._access.key))
            self._unregister = weakref.finalize(self, self._regions.close)  # a client that is not closed, too

    def infer(
        self, model: str, image: NDArray[np.uint8], *, timeout_s: float, options: CallOptions | None = None
    ) -> Inference:
        """The saliency of one picture; see `Transport.infer`."""
        options = options or CallOptions()
        deadline = Deadline(timeout_s)
        options.cancel.raise_if_cancelled()
        size = self.model_size(model, timeout_s=timeout_s)
        if image.shape != (size, size, contract.CHANNELS):
            shapes = f"{[size, size, contract.CHANNELS]} instead of {list(image.shape)}"
            raise ContractError(f"The model {model} on {self.server} takes pictures of {shapes}: {REMEDY}.")
        if self._regions is not None:
            inference = self._through_memory(self._regions, model, image, deadline, options)
            if inference is not None:
                return inference
        with self._failures_as_ours(model, timeout_s, options.version or self._model_version):
            tensors = {contract.INPUT_NAME: image[np.newaxis]}
            request = self._request(model, tensors, (contract.OUTPUT_NAME,), deadline, options)
            reply = self._answer(with_inputs(request.SerializeToString(), tensors.values()), deadline, options)
        saliency = saliency_from_reply(reply, model, size)
        return Inference(saliency, model, str(reply.response.model_version))

    def _through_memory(
        self, regions: Regions, model: str, image: NDArray[np.uint8], deadline: Deadline, options: CallOptions
    ) -> Inference | None:
        """The saliency of a picture that is passed in a region; None if that is not possible now."""
        size, output = len(image), (contract.OUTPUT_NAME,)
        region = regions.take(image.nbytes + size * size * _SALIENCY_BYTES)
        if region is None:
            return None
        request = self._request(model, {contract.INPUT_NAME: image[np.newaxis]}, output, deadline, options)
        _refer(request.inputs[0], region, 0, image.nbytes)
        _refer(request.outputs[0], region, image.nbytes, size * size * _SALIENCY_BYTES)
        np.frombuffer(region.memory, np.uint8, image.size).reshape(image.shape)[...] = image
        after = regions.abandon
        try:
            with self._failures_as_ours(model, deadline.remaining_s, request.model_version):
                reply = self._answer(request.SerializeToString(), deadline, options)
            after = regions.give_back
            reply.use_memory(region.memory, image.nbytes)
            saliency = saliency_from_reply(reply, model, size).copy()  # the region is used again
        except ServerError as failure:
            if _NO_REGION in str(failure.__cause__):
                after = regions.lose
                return None
            if not isinstance(failure, ServerTimeoutError | ServerUnreachableError):
                after = regions.give_back  # the server has answered
            raise
        finally:
            after(region)
        return Inference(saliency, model, str(reply.response.model_version))

    def run(
        self,
        model: str,
        tensors: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        *,
        timeout_s: float,
        options: CallOptions | None = None,
    ) -> Tensors:
        """The outputs of a model with other tensors; see `Transport.run`."""
        options = options or CallOptions()
        deadline = Deadline(timeout_s)
        options.cancel.raise_if_cancelled()
        with self._failures_as_ours(model, timeout_s, options.version or self._model_version):
            request = self._request(model, tensors, outputs, deadline, options)
            reply = self._answer(with_inputs(request.SerializeToString(), tensors.values()), deadline, options)
        values = {name: values_from_reply(reply, name, model) for name in outputs}
        return Tensors(values, model, str(reply.response.model_version))

    def _request(
        self,
        model: str,
        tensors: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        deadline: Deadline,
        options: CallOptions,
    ) -> Any:
        """The `ModelInferRequest` without the values of its inputs."""
        remaining_s = deadline.remaining_s
        queue_s = remaining_s if options.queue_timeout_s is None else min(options.queue_timeout_s, remaining_s)
        request = self._library.service_pb2.ModelInferRequest(
            model_name=model, model_version=options.version or self._model_version, id=options.request_id
        )
        request.parameters["timeout"].int64_param = max(round(queue_s * 1e6), 1)  # µs, then Triton drops it
        for name, values in tensors.items():
            request.inputs.add(name=name, datatype=_DTYPES[values.dtype.name], shape=values.shape)
        for name in outputs:
            request.outputs.add(name=name)
        return request

    def _answer(self, request: bytes, deadline: Deadline, options: CallOptions) -> Reply:
        """The reply to one serialised request.

        The call is asynchronous and waited for here, so that a cancel from another thread and Ctrl-C both cancel it on
        the server too, which drops it from its queue.
        """
        call = self._infer(
            request, metadata=tuple({**self._headers, **options.headers}.items()), timeout=deadline.remaining_s
        )
        with options.cancel.on_cancel(call.cancel):
            message = _message_of(call)
        if message is not None:
            return Reply(message, self._library.service_pb2.ModelInferResponse.FromString, _numpy_type)
        options.cancel.raise_if_cancelled()
        raise self._library.InferenceServerException(call.details(), str(call.code()), call.debug_error_string())

    def model_size(self, model: str, *, timeout_s: float) -> int:
        """The working size of a served model; see `Transport.model_size`.

        The model is compared with `tuft.contract` here, once; replies are checked by their shape.
        """
        if model not in self._sizes:
            with self._failures_as_ours(model, timeout_s, self._model_version):
                metadata = self._client.get_model_metadata(model, self._model_version, client_timeout=timeout_s)
            problem = contract_problem(metadata)
            if problem is not None:
                raise ContractError(f"The model {model} on {self.server} {problem}: {REMEDY}.")
            self._sizes[model] = int(metadata.inputs[0].shape[1])
        return self._sizes[model]

    def network_input(self, model: str, *, timeout_s: float) -> NetworkInput:
        """How a served model wants its picture; see `Transport.network_input`.

        The resize mode and the best size are parameters of the model's configuration. A server that does not show
        configurations, or a model that states none, leaves them to the preset.
        """
        size = self.model_size(model, timeout_s=timeout_s)
        if model not in self._inputs:
            self._inputs[model] = stated_input(size, self._parameters(model, timeout_s))
        return self._inputs[model]

    def _parameters(self, model: str, timeout_s: float) -> dict[str, str]:
        try:
            with self._failures_as_ours(model, timeout_s):
                config = self._client.get_model_config(model, self._model_version, client_timeout=timeout_s).config
        except ServerUnreachableError as failure:
            if failure.transient:
                raise
            return {}  # restricted
        return {name: value.string_value for name, value in config.parameters.items()}

    def served_version(self, model: str, *, timeout_s: float) -> str:
        """The version of `model` that answers requests that name none; see `Transport.served_version`."""
        if self._model_version:
            return self._model_version
        with self._failures_as_ours(model, timeout_s):
            served = self._client.get_model_metadata(model, client_timeout=timeout_s).versions
        if not served:
            raise ModelUnavailableError(f"{self.server} has no version of {model} ready: try again later.")
        return str(max(served, key=int))

    def is_ready(self, model: str) -> bool:
        """Whether the server has `model` ready."""
        try:
            with self._failures_as_ours(model, PROBE_TIMEOUT_S):
                return bool(self._client.is_model_ready(model, self._model_version, client_timeout=PROBE_TIMEOUT_S))
        except ModelUnavailableError:
            return False

    def ready_models(self) -> tuple[str, ...]:
        """Those of tuft's models that the server has ready, the smallest first."""
        return tuple(spec.name for spec in contract.MODELS.values() if self.is_ready(spec.name))

    def ready_versions(self, model: str) -> tuple[str, ...]:
        """The versions of `model` that are ready; see `Transport.ready_versions`."""
        if not self.is_ready(model):
            return ()
        with self._failures_as_ours(model, PROBE_TIMEOUT_S):
            versions = self._client.get_model_metadata(model, client_timeout=PROBE_TIMEOUT_S).versions
        return tuple(sorted(versions, key=int))

    def other_models(self, key: str = "") -> tuple[str, ...]:
        """Names of the ready models that are not tuft's own; see `Transport.other_models`."""
        headers = {KEY_HEADER: key} if key else {}
        with self._failures_as_ours("its models", PROBE_TIMEOUT_S):
            index = self._client.get_model_repository_index(headers=headers, client_timeout=PROBE_TIMEOUT_S).models
        ready = {entry.name for entry in index if entry.state == "READY"}
        return tuple(sorted(ready - set(contract.OWN_MODELS) - set(contract.PROMPT_MODELS)))

    def server_info(self) -> ServerInfo:
        """Name and version of the server."""
        with self._failures_as_ours("itself", PROBE_TIMEOUT_S):
            metadata = self._client.get_server_metadata(client_timeout=PROBE_TIMEOUT_S)
        return ServerInfo(str(metadata.name), str(metadata.version))

    @contextmanager
    def grpc_client(self, model: str, timeout_s: float) -> Iterator[Any]:
        """This connection's `tritonclient.grpc.InferenceServerClient`, for calls that `Transport` does not have.

        Args:
            model: Name of the model that the calls are about, for errors.
            timeout_s: Seconds that the calls may take, for errors.

        Raises:
            ServerError: A call failed; `__cause__` is tritonclient's exception.
        """
        with self._failures_as_ours(model, timeout_s):
            yield self._client

    def close(self) -> None:
        """Closes the connection and ends the requests in flight."""
        if self._regions is not None:
            self._unregister()
        self._client.close()

    @contextmanager
    def _failures_as_ours(self, model: str, timeout_s: float, version: str = "") -> Iterator[None]:
        try:
            yield
        except self._library.InferenceServerException as exc:
            status = (exc.status() or "").removeprefix("StatusCode.")
            message = self._explained(exc.message() or "")
            raise error_from_status(
                status, message, connection=self._connection, model=model, timeout_s=timeout_s, version=version
            ) from exc
        except ValueError as exc:  # what grpc raises once the channel is closed
            raise ServerUnreachableError(f"The connection to {self.server} is closed: make a new one.") from exc

    def _explained(self, message: str) -> str:
        """GRPC's message; with the cause where it knows none, and a direct connection can be asked for it."""
        if self._connection.proxy or not closed_while_connecting(message):
            return message
        cause = closed_because(self.server, self._access, secure=self._connection.secure)
        return f"{cause}\n{message}" if cause else message


class _Registry:
    """A server's regions of system shared memory; see `Registry`."""

    def __init__(self, client: Any, connection: Connection, key: str) -> None:
        self._client, self._connection = client, connection
        self._headers = {KEY_HEADER: key} if key else {}

    def register(self, name: str, nbytes: int) -> None:
        self._call("register_system_shared_memory", name, f"/{name}", nbytes)

    def unregister(self, name: str) -> None:
        self._call("unregister_system_shared_memory", name)

    def registered(self) -> tuple[str, ...]:
        return tuple(self._call("get_system_shared_memory_status").regions)

    def _call(self, method: str, *arguments: object) -> Any:
        from tritonclient.utils import InferenceServerException

        try:
            call = getattr(self._client, method)
            return call(*arguments, headers=self._headers, client_timeout=PROBE_TIMEOUT_S)
        except InferenceServerException as exc:
            status, message = (exc.status() or "").removeprefix("StatusCode."), exc.message() or ""
            failure = error_from_status(
                status, message, connection=self._connection, model="shared memory", timeout_s=PROBE_TIMEOUT_S
            )
            if failure.transient or isinstance(failure, ServerTimeoutError):
                raise failure from exc
            raise ServerError(message) from exc
        except ValueError as exc:  # what grpc raises once the channel is closed
            raise ServerError("The connection is closed.") from exc


def _refer(tensor: Any, region: Region, start: int, nbytes: int) -> None:
    """Makes a request's input or output lie in a region."""
    tensor.parameters["shared_memory_region"].string_param = region.name
    tensor.parameters["shared_memory_offset"].int64_param = start
    tensor.parameters["shared_memory_byte_size"].int64_param = nbytes


def _add_headers(headers: Mapping[str, str], request: Any) -> None:
    """Adds headers to a call of tritonclient's; those of the call itself have precedence."""
    request.headers = {**headers, **(request.headers or {})}


def _message_of(call: Any) -> bytes | None:
    """The reply of a call; None if it failed. It is cancelled if the waiting thread is interrupted."""
    import grpc

    try:
        messages: list[bytes] = list(call)  # one; the call ends after it
    except grpc.RpcError as failure:
        # grpc raises the call itself. With its traceback, it and the request would form a cycle.
        failure.__traceback__ = None
        _take_remaining_events(call)
        return None
    except BaseException:
        call.cancel()
        raise
    return messages[0] if messages else None


def _take_remaining_events(call: Any) -> None:
    """Frees what grpc keeps of a failed call.

    It returns at the failure without the events that are still to come. They stay in the channel's queue for good, with
    the whole request. grpc 1.85 has no public way to take them.
    """
    with suppress(AttributeError):  # another version of grpc
        while call._state.due:
            call._consume_next_event()


def _numpy_type(datatype: str) -> Any:
    from tritonclient.utils import triton_to_np_dtype

    return triton_to_np_dtype(datatype)


def _tritonclient() -> Any:
    try:
        import tritonclient.grpc
    except (ImportError, RuntimeError) as exc:  # RuntimeError: tritonclient is there, grpc is not
        raise SetupError("tritonclient is not installed: run `pip install 'tritonclient[grpc]'`.") from exc
    return tritonclient.grpc
