"""The seam between the client and whatever computes the saliency."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tuft.inference.resilience import CancelToken

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Inference:
    """What the network said about one picture.

    Attributes:
        saliency: (S, S) float32, 0..1, not yet scaled to the full range.
        model: Name of the model that answered.
        version: Its version, as the server counts.
    """

    saliency: NDArray[np.float32]
    model: str
    version: str


@dataclass(frozen=True)
class ServerInfo:
    """Which server answers: the product's name and its version."""

    name: str
    version: str


@dataclass(frozen=True)
class CallOptions:
    """What goes with a picture to the server.

    Attributes:
        version: The model's version, as the server counts; empty leaves the choice to the transport.
        request_id: Written by the server into its log and its traces; empty is none.
        headers: gRPC metadata, such as `traceparent`; names in lower case.
        queue_timeout_s: Seconds after which the server may drop the request if it still waits in the queue; None: as
            long as the request may take.
        cancel: Takes the request back.
    """

    version: str = ""
    request_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    queue_timeout_s: float | None = None
    cancel: CancelToken = field(default_factory=CancelToken)


class Transport(Protocol):
    """Carries one picture to a served network and its saliency back; usable from many threads at once."""

    def infer(
        self, model: str, image: NDArray[np.uint8], *, timeout_s: float, options: CallOptions | None = None
    ) -> Inference:
        """The saliency of one picture.

        Args:
            model: Name of a served model, such as `tuft.contract.model_name(1024)`.
            image: (S, S, 3) uint8 sRGB, where S is the model's working size.
            timeout_s: Seconds after which to give up, queueing included.
            options: What goes with it, nothing by default.

        Raises:
            ServerError: No usable answer came; the class says why.
            RequestCancelledError: `options.cancel` has taken the request back.
        """
        ...

    def model_size(self, model: str, *, timeout_s: float) -> int:
        """The working size S of a served model, in pixels; it is asked once per model.

        Args:
            model: Name of any model that the server has, tuft's own or an adopted one.
            timeout_s: Seconds after which to give up.

        Raises:
            ModelUnavailableError: The server does not serve it.
            ContractError: It takes or gives other tensors than `tuft.contract` says.
            ServerError: The server did not answer the question.
        """
        ...

    def served_version(self, model: str, *, timeout_s: float) -> str:
        """The version of `model` that a request without a version is answered by, as the server counts.

        Args:
            model: Name of the model.
            timeout_s: Seconds that the server may take.

        Raises:
            ServerError: The server did not answer the question.
        """
        ...

    def is_ready(self, model: str) -> bool:
        """Whether `model` can be asked now.

        Raises:
            ServerError: The server did not answer the question.
        """
        ...

    def ready_models(self) -> tuple[str, ...]:
        """The models of `tuft.contract` that can be asked now, the smallest first.

        Raises:
            ServerError: The server did not answer the question.
        """
        ...

    def server_info(self) -> ServerInfo:
        """Who answers.

        Raises:
            ServerError: Nobody does.
        """
        ...

    def close(self) -> None:
        """Gives the connection back; requests on their way end in an error. May be called twice."""
        ...
