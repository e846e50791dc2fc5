"""A transport without a server: for tuft's own tests and for those of programs that use tuft."""

from __future__ import annotations

import threading
from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft import contract
from tuft.errors import ContractError, ModelUnavailableError, ServerUnreachableError
from tuft.inference.transport.base import CallOptions, Inference, NetworkInput, ServerInfo, Tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tuft.presets import Resize

    # From the encoder's picture (S, S, 3), points (p, 2) and labels (p,) to the logits of a mask, (256, 256).
    MaskFromPrompt = Callable[[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32]], NDArray[np.floating[Any]]]

ALL_MODELS: Final = tuple(spec.name for spec in contract.MODELS.values())
_OWN_SIZES: Final = MappingProxyType({spec.name: spec.size for spec in contract.MODELS.values()})
_NONE: Final[Mapping[str, int]] = MappingProxyType({})
_NO_RESIZES: Final[Mapping[str, Resize]] = MappingProxyType({})


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


def refined_plane(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The alpha of a matting stage that changes nothing.

    Args:
        planes: (n, T, T, 9) uint8, as `tuft.contract` describes them.
    """
    index = contract.MATTING_PLANES.index("refined")
    return planes[..., index : index + 1]


class FakeTransport:
    """Answers at once: with a saliency that the test computes, or with the errors that it was given.

    Args:
        saliency_from_image: Called with each (S, S, 3) uint8 picture; returns its (S, S) saliency in 0..1.
        failures: Raised one per inference, in this order, before any answer.
        models: Names of the models that are served.
        adopted: Models that are not tuft's and are served as well: from their names to their working sizes in pixels.
        resizes: From names of models to the resize modes that they were trained with; the others state none.
        best_sizes: From names of models to the size above which their checkpoint gains nothing; the others state none.
        version: The version that they answer with.
        mask_from_prompt: Answers prompts: called with the square picture (S, S, 3) uint8, the points (p, 2) in its
            pixels and their labels (p,), see `tuft.contract`; returns logits (256, 256). None: no such model is served.
        matte_from_planes: Called with tiles for the matting stage, (n, T, T, 9) uint8, if `models` names it; returns
            their alpha, (n, T, T, 1) uint8.

    Attributes:
        failures: Those still to be raised; more can be appended.
        requests: Name of the model of each inference asked for, failed ones included, in order.
        options: The options of each of them.
        tiles: How many tiles the matting stage was asked for.
    """

    def __init__(
        self,
        saliency_from_image: Callable[[NDArray[np.uint8]], NDArray[np.floating[Any]]] = centred_disk,
        *,
        failures: Iterable[Exception] = (),
        models: Sequence[str] = contract.OWN_MODELS,
        adopted: Mapping[str, int] = _NONE,
        resizes: Mapping[str, Resize] = _NO_RESIZES,
        best_sizes: Mapping[str, int] = _NONE,
        version: str = "1",
        mask_from_prompt: MaskFromPrompt | None = None,
        matte_from_planes: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = refined_plane,
    ) -> None:
        self.requests: list[str] = []
        self.options: list[CallOptions] = []
        self.tiles = 0
        self._saliency_from_image = saliency_from_image
        self.failures = deque(failures)
        self._mask_from_prompt = mask_from_prompt
        self._matte_from_planes = matte_from_planes
        self._models = (*models, *adopted, *(() if mask_from_prompt is None else contract.PROMPT_MODELS))
        self._sizes = {**_OWN_SIZES, **adopted}
        self._resizes = resizes
        self._best_sizes = best_sizes
        self._version = version
        self._lock = threading.Lock()
        self._closed = False

    def infer(
        self, model: str, image: NDArray[np.uint8], *, timeout_s: float, options: CallOptions | None = None
    ) -> Inference:
        """The next failure, or the saliency of `image`."""
        options = options or CallOptions()
        self._count(model, options)
        saliency = self._saliency_from_image(image).astype(np.float32)
        options.cancel.raise_if_cancelled()
        return Inference(saliency, model, options.version or self._version)

    def run(
        self,
        model: str,
        tensors: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        *,
        timeout_s: float,
        options: CallOptions | None = None,
    ) -> Tensors:
        """The next failure, or the answer of the matting stage or of the model for prompts.

        The embeddings of that are the picture itself.
        """
        options = options or CallOptions()
        if model == contract.MATTING_MODEL:
            return self._mattes(tensors[contract.MATTING_INPUT_NAME], options)
        self._count(model, options)
        if model == contract.ENCODER:
            values = {contract.EMBEDDING_NAMES[0]: tensors[contract.INPUT_NAME]}
        else:
            assert self._mask_from_prompt is not None
            picture = tensors[contract.EMBEDDING_NAMES[0]][0]
            logits = self._mask_from_prompt(picture, tensors[contract.POINTS_NAME][0], tensors[contract.LABELS_NAME][0])
            masks = np.repeat(logits[np.newaxis].astype(np.float32), contract.MASKS_PER_PROMPT, axis=0)
            values = {
                contract.MASKS_NAME: masks[np.newaxis],
                contract.SCORES_NAME: np.ones((1, contract.MASKS_PER_PROMPT), np.float32),
            }
        return Tensors(values, model, options.version or self._version)

    def _mattes(self, planes: NDArray[np.uint8], options: CallOptions) -> Tensors:
        """The matting stage's answer, which is no inference of a photograph and uses up no failure."""
        with self._lock:
            self._require_open()
            options.cancel.raise_if_cancelled()
            self.tiles += len(planes)
        self._require_served(contract.MATTING_MODEL)
        values = {contract.MATTING_OUTPUT_NAME: self._matte_from_planes(planes)}
        options.cancel.raise_if_cancelled()
        return Tensors(values, contract.MATTING_MODEL, options.version or self._version)

    def _count(self, model: str, options: CallOptions) -> None:
        """Notes an inference, and raises the failure that is due for it."""
        with self._lock:
            self._require_open()
            options.cancel.raise_if_cancelled()
            self.requests.append(model)
            self.options.append(options)
            failure = self.failures.popleft() if self.failures else None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # a frame that refers to its own exception would keep the photograph in memory
        self._require_served(model)

    def model_size(self, model: str, *, timeout_s: float) -> int:
        """The working size of one of the models given."""
        self._require_open()
        self._require_served(model)
        if model not in self._sizes:
            raise ContractError(f"The fake server does not know the size of {model}: give it in adopted=.")
        return self._sizes[model]

    def network_input(self, model: str, *, timeout_s: float) -> NetworkInput:
        """The working size of one of the models given, and what it states."""
        size = self.model_size(model, timeout_s=timeout_s)
        return NetworkInput(size, self._resizes.get(model), self._best_sizes.get(model))

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

    def other_models(self, key: str = "") -> tuple[str, ...]:
        """The models given that are not tuft's."""
        self._require_open()
        return tuple(name for name in self._models if name not in (*contract.OWN_MODELS, *contract.PROMPT_MODELS))

    def ready_versions(self, model: str) -> tuple[str, ...]:
        """The version given, of the models given."""
        return (self._version,) if self.is_ready(model) else ()

    def server_info(self) -> ServerInfo:
        """A server called fake."""
        self._require_open()
        return ServerInfo("fake", self._version)

    def close(self) -> None:
        """Afterwards every call raises ServerUnreachableError."""
        self._closed = True

    def _require_served(self, model: str) -> None:
        if model not in self._models:
            raise ModelUnavailableError(f"The fake server has no model {model}: name it in models= or adopted=.")

    def _require_open(self) -> None:
        if self._closed:
            raise ServerUnreachableError("This connection is closed: make a new one.")
