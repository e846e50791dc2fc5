"""The client's seam without a server."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tuft import contract
from tuft.errors import ContractError, ModelUnavailableError, ServerUnreachableError
from tuft.inference.resilience import Deadline
from tuft.inference.transport.base import CallOptions, Inference, NetworkInput, ServerInfo, Tensors, stated_input
from tuft_local import engine
from tuft_local.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from tuft_local.models import Model, Models

_NAMES = tuple(spec.name for spec in contract.MODELS.values())


class LocalTransport:
    """Computes pictures in this process; usable from many threads at once, one picture is computed at a time.

    Args:
        models: The published models.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._found: dict[tuple[str, str], Model] = {}
        self._worker = Worker()
        self._is_closed = False

    def infer(
        self, model: str, image: NDArray[np.uint8], *, timeout_s: float, options: CallOptions | None = None
    ) -> Inference:
        """The saliency of one picture; see `Transport.infer`."""
        options = options or CallOptions()
        deadline = Deadline(timeout_s)
        queue = deadline if options.queue_timeout_s is None else Deadline(options.queue_timeout_s)
        options.cancel.raise_if_cancelled()
        found = self._find(model, options.version)
        shape = [found.size, found.size, contract.CHANNELS]
        if list(image.shape) != shape:
            raise ContractError(f"The model {model} takes pictures of {shape} instead of {list(image.shape)}.")
        saliency = self._worker.saliency(found, image, deadline=deadline, queue=queue, cancel=options.cancel)
        if list(saliency.shape) != shape[:2]:
            raise ContractError(
                f"The model {model} gives {list(saliency.shape)} instead of {shape[:2]}: publish it again."
            )
        return Inference(saliency, model, found.version)

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
        queue = deadline if options.queue_timeout_s is None else Deadline(options.queue_timeout_s)
        options.cancel.raise_if_cancelled()
        found = self._find(model, options.version)
        if model == contract.MATTING_MODEL:
            # Its graph is compiled for one tile.
            compute = partial(self._worker.answer, found, load=engine.load, deadline=deadline, queue=queue)
            tiles = [compute(tile, cancel=options.cancel) for tile in tensors[contract.MATTING_INPUT_NAME]]
            return Tensors({contract.MATTING_OUTPUT_NAME: np.stack(tiles)}, model, found.version)
        values = self._worker.tensors(found, tensors, deadline=deadline, queue=queue, cancel=options.cancel)
        missing = [name for name in outputs if name not in values]
        if missing:
            raise ContractError(f"The model {model} has no output {missing[0]}: publish it again.")
        return Tensors({name: values[name] for name in outputs}, model, found.version)

    def model_size(self, model: str, *, timeout_s: float) -> int:
        """The working size of a model; see `Transport.model_size`."""
        return self._find(model).size

    def network_input(self, model: str, *, timeout_s: float) -> NetworkInput:
        """How a model wants its picture; see `Transport.network_input`."""
        found = self._find(model)
        return stated_input(found.size, found.parameters)

    def served_version(self, model: str, *, timeout_s: float) -> str:
        """The newest version of a model; see `Transport.served_version`."""
        return self._find(model).version

    def is_ready(self, model: str) -> bool:
        """Whether a model is published, or is the demo's, which is published at first use."""
        return bool(self.ready_versions(model))

    def ready_models(self) -> tuple[str, ...]:
        """Those of tuft's models that are published, the smallest first."""
        return tuple(filter(self.is_ready, _NAMES))

    def ready_versions(self, model: str) -> tuple[str, ...]:
        """The published versions of a model, in ascending order."""
        self._require_open()
        return self._models.versions(model)

    def other_models(self, key: str = "") -> tuple[str, ...]:
        """Names of the published models that are not tuft's own."""
        self._require_open()
        return self._models.others()

    def server_info(self) -> ServerInfo:
        """What computes here: the engine, and its version."""
        self._require_open()
        return ServerInfo(*engine.description())

    def close(self) -> None:
        """Ends requests in flight and releases the models."""
        self._is_closed = True
        self._worker.close()

    def _find(self, name: str, version: str = "") -> Model:
        self._require_open()
        if (name, version) not in self._found:
            found = self._models.find(name, version)
            if not found.size:
                raise ModelUnavailableError(f"{found.folder} does not state the size of its pictures: adopt it again.")
            self._found[name, version] = found
        return self._found[name, version]

    def _require_open(self) -> None:
        if self._is_closed:
            raise ServerUnreachableError("This client is closed: make a new one.")
