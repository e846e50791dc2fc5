"""The seam between the client and the network: the protocol that every transport implements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from tuft import contract
from tuft.errors import ModelUnavailableError
from tuft.inference.resilience import CancelToken
from tuft.presets import RESIZES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from tuft.presets import Resize

PROBE_TIMEOUT_S: Final = 5.0  # readiness is answered from memory, or not at all


@dataclass(frozen=True, eq=False)
class Inference:
    """The network's output for one picture.

    Attributes:
        saliency: (S, S) float32, 0..1, not yet scaled to the full range.
        model: Name of the model that answered.
        version: Its version, as the server counts.
    """

    saliency: NDArray[np.float32]
    model: str
    version: str


@dataclass(frozen=True, eq=False)
class Tensors:
    """The outputs of a model that does not answer with a saliency.

    Attributes:
        values: Its outputs by name, each with a batch axis.
        model: Name of the model that answered.
        version: Its version, as the server counts.
    """

    values: Mapping[str, NDArray[Any]]
    model: str
    version: str


@dataclass(frozen=True)
class NetworkInput:
    """How a network wants its picture; None leaves it to the preset.

    Attributes:
        size: Working size S in pixels.
        resize: The resize mode that it was trained with.
        best_size: The working size in pixels above which its checkpoint gains nothing.
    """

    size: int | None = None
    resize: Resize | None = None
    best_size: int | None = None


def stated_input(size: int, parameters: Mapping[str, str]) -> NetworkInput:
    """What the parameters of a model's configuration in Triton say of its pictures; wrong values say nothing."""
    resize = next((mode for mode in RESIZES if mode == parameters.get(contract.RESIZE_PARAMETER)), None)
    best = parameters.get(contract.BEST_SIZE_PARAMETER, "")
    return NetworkInput(size, resize, int(best) if best.isdecimal() else None)


@dataclass(frozen=True)
class ServerInfo:
    """Name and version of the server product."""

    name: str
    version: str


@dataclass(frozen=True)
class CallOptions:
    """Options of one inference.

    Attributes:
        version: The model's version, as the server counts; empty leaves the choice to the transport.
        request_id: Written by the server to its log and its traces; empty is none.
        headers: gRPC metadata, such as `traceparent`; names in lower case.
        queue_timeout_s: Seconds after which the server may drop the request from its queue; None: the whole timeout.
        cancel: Cancels the request.
    """

    version: str = ""
    request_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    queue_timeout_s: float | None = None
    cancel: CancelToken = field(default_factory=CancelToken)


class Transport(Protocol):
    """Carries pictures to served networks and their saliency back; usable from many threads at once."""

    def infer(
        self, model: str, image: NDArray[np.uint8], *, timeout_s: float, options: CallOptions | None = None
    ) -> Inference:
        """The saliency of one picture.

        Args:
            model: Name of a served model, such as `tuft.contract.model_name(1024)`.
            image: (S, S, 3) uint8 sRGB, where S is the model's working size.
            timeout_s: Seconds after which to give up, queueing included.
            options: Version, request id, headers and more; none by default.

        Raises:
            ServerError: No usable answer came; the class says why.
            RequestCancelledError: The request was cancelled by `options.cancel`.
        """
        ...

    def run(
        self,
        model: str,
        tensors: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        *,
        timeout_s: float,
        options: CallOptions | None = None,
    ) -> Tensors:
        """The outputs of a model with other tensors than one picture and its saliency, such as `contract.ENCODER`.

        A transport that serves no such model need not implement it.

        Args:
            model: Name of the model.
            tensors: Its inputs by name, each with a batch axis.
            outputs: Names of the outputs that are wanted.
            timeout_s: Seconds after which to give up, queueing included.
            options: As for `infer`.

        Raises:
            ServerError: No usable answer came; the class says why.
            RequestCancelledError: The request was cancelled by `options.cancel`.
        """
        raise ModelUnavailableError(f"This transport serves no {model}: use a server, or local.")

    def model_size(self, model: str, *, timeout_s: float) -> int:
        """The working size S of a served model, in pixels; the server is asked once for each model.

        Args:
            model: Name of any model that the server has, tuft's own or an adopted one.
            timeout_s: Seconds after which to give up.

        Raises:
            ModelUnavailableError: The server does not serve it.
            ContractError: It takes or gives other tensors than `tuft.contract` says.
            ServerError: The server did not answer the question.
        """
        ...

    def network_input(self, model: str, *, timeout_s: float) -> NetworkInput:
        """How a served model wants its picture; the server is asked once for each model.

        A transport that knows only working sizes need not implement it.

        Args:
            model: Name of any model that the server has, tuft's own or an adopted one.
            timeout_s: Seconds after which to give up.

        Raises:
            ServerError: As `model_size`.
        """
        return NetworkInput(size=self.model_size(model, timeout_s=timeout_s))

    def served_version(self, model: str, *, timeout_s: float) -> str:
        """The version of `model` that answers requests that name none, as the server counts.

        Args:
            model: Name of the model.
            timeout_s: Seconds that the server may take.

        Raises:
            ServerError: The server did not answer the question.
        """
        ...

    def is_ready(self, model: str) -> bool:
        """Whether `model` is ready.

        Raises:
            ServerError: The server did not answer the question.
        """
        ...

    def ready_models(self) -> tuple[str, ...]:
        """The models of `tuft.contract` that are ready, the smallest first.

        Raises:
            ServerError: The server did not answer the question.
        """
        ...

    def ready_versions(self, model: str) -> tuple[str, ...]:
        """The versions of `model` that are ready, in ascending order; empty if the server does not serve it.

        A transport that knows no versions need not implement it.

        Raises:
            ServerError: The server did not answer the question.
        """
        return (self.served_version(model, timeout_s=PROBE_TIMEOUT_S),) if self.is_ready(model) else ()

    def other_models(self, key: str = "") -> tuple[str, ...]:
        """Names of the ready models that are not tuft's own, such as adopted ones.

        A transport that cannot list models need not implement it.

        Args:
            key: The key of the server's restricted protocols; empty for a server that restricts nothing.

        Raises:
            ServerError: The server did not answer the question, or does not let this key in.
        """
        return ()

    def server_info(self) -> ServerInfo:
        """Name and version of the server.

        Raises:
            ServerError: It does not answer.
        """
        ...

    def close(self) -> None:
        """Closes the connection; requests in flight end in an error. May be called twice."""
        ...
