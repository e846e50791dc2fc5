"""A transport without a server, for tests: ours and those of programs that use tuft."""

from __future__ import annotations

import threading
from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft import contract
from tuft.errors import ContractError, ModelUnavailableError, ServerUnreachableError
from tuft.inference.transport.base import CallOptions, Inference, ServerInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

ALL_MODELS: Final = tuple(spec.name for spec in contract.MODELS.values())
_OWN_SIZES: Final = MappingProxyType({spec.name: spec.size for spec in contract.MODELS.values()})
_NONE: Final[Mapping[str, int]] = MappingProxyType({})


def centred_disk(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Saliency of a soft-edged disk in the middle of the picture, whatever the picture shows.

    Args:
        image: (S, S, 3) uint8; only its size matters.

    Returns:
        (S, S) float32 in 0..1.
    """
    size = image.shape[0]
    offset_px = np.arange(size, dtype=np.float32) - (size - 1) / 2
    radius_px = np.hypot(offset_px[:, None], offset_px[None, :])
    edge_px = size / 32
    return np.clip((size / 3 - radius_px) / edge_px + 0.5, 0, 1).astype(np.float32)


class FakeTransport:
    """Answers at once with a saliency of one's own making, or with the errors it is told to raise.

    Args:
        saliency_from_image: Called with each (S, S, 3) uint8 picture; gives its (S, S) saliency in 0..1.
        failures: Raised one per inference, in this order, before anything is answered.
        models: Names of the models that are served.
        adopted: Models that are not tuft's and are served as well: from their names to their working sizes, in pixels.
        version: The version they answer with.

    Attributes:
        failures: Those still to be raised; more can be appended.
        requests: Name of the model of each inference asked for, failed ones included, in order.
        options: What went with each of them.
    """

    def __init__(
        self,
        saliency_from_image: Callable[[NDArray[np.uint8]], NDArray[np.floating[Any]]] = centred_disk,
        *,
        failures: Iterable[Exception] = (),
        models: Sequence[str] = ALL_MODELS,
        adopted: Mapping[str, int] = _NONE,
        version: str = "1",
    ) -> None:
        self.requests: list[str] = []
        self.options: list[CallOptions] = []
        self._saliency_from_image = saliency_from_image
        self.failures = deque(failures)
        self._models = (*models, *adopted)
        self._sizes = {**_OWN_SIZES, **adopted}
        self._version = version
        self._lock = threading.Lock()
        self._closed = False

    def infer(
        self, model: str, image: NDArray[np.uint8], *, timeout_s: float, options: CallOptions | None = None
    ) -> Inference:
        """The next failure, or the saliency of `image`."""
        options = options or CallOptions()
        with self._lock:
            self._require_open()
            options.cancel.require()
            self.requests.append(model)
            self.options.append(options)
            failure = self.failures.popleft() if self.failures else None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # a frame that holds what it raises would keep the photograph
        self._require_served(model)
        saliency = self._saliency_from_image(image).astype(np.float32)
        options.cancel.require()
        return Inference(saliency, model, options.version or self._version)

    def model_size(self, model: str, *, timeout_s: float) -> int:
        """The working size of one of the models given."""
        self._require_open()
        self._require_served(model)
        if model not in self._sizes:
            raise ContractError(f"The fake server does not know the size of {model}: give it in adopted=.")
        return self._sizes[model]

    def served_version(self, model: str, *, timeout_s: float) -> str:
        """The version given."""
        self._require_open()
        self._require_served(model)
        return self._version

    def is_ready(self, model: str) -> bool:
        """Whether `model` is one of the models given."""
        self._require_open()
        return model in self._models

    def ready_models(self) -> tuple[str, ...]:
        """The models given that tuft knows."""
        self._require_open()
        return tuple(name for name in ALL_MODELS if name in self._models)

    def server_info(self) -> ServerInfo:
        """A server called fake."""
        self._require_open()
        return ServerInfo("fake", self._version)

    def close(self) -> None:
        """Afterwards nothing answers."""
        self._closed = True

    def _require_served(self, model: str) -> None:
        if model not in self._models:
            raise ModelUnavailableError(f"The fake server has no model {model}: name it in models= or adopted=.")

    def _require_open(self) -> None:
        if self._closed:
            raise ServerUnreachableError("This connection is closed: make a new one.")
