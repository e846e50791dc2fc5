"""The seam between the client and whatever computes the saliency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
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


class Transport(Protocol):
    """Carries one picture to a served network and its saliency back; usable from many threads at once."""

    def infer(self, model: str, image: NDArray[np.uint8], *, timeout_s: float) -> Inference:
        """The saliency of one picture.

        Args:
            model: Name of a served model, such as `tuft.contract.model_name(1024)`.
            image: (S, S, 3) uint8 sRGB, where S is the model's working size.
            timeout_s: Seconds after which to give up, queueing included.

        Raises:
            ServerError: No usable answer came; the class says why.
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
