"""A served model that takes prompts: which mask does a prompt mean in a photograph?"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tuft import contract
from tuft.errors import ContractError, ModelUnavailableError
from tuft.imaging import preprocess

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuft.inference.retrying import RetryingTransport
    from tuft.inference.runner import RunRequest
    from tuft.inference.transport.base import Tensors
    from tuft.prompts import PromptSet

# Pictures whose embeddings are kept: 8.4 MB each.
KEPT_PICTURES: Final = 8
# How long the server's answer to the question whether it serves such a model is used.
_READY_MAX_AGE_S: Final = 10.0


class PromptMask(NamedTuple):
    """The mask that a prompt means.

    Attributes:
        logits: (256, 256) float32 over the whole photograph: above zero is inside.
        score: The model's own estimate of its quality, 0..1.
    """

    logits: NDArray[np.float32]
    score: float


class Segmenter:
    """Asks the server's promptable model; usable from many threads at once.

    The embeddings of the last pictures are kept, so that another prompt for one of them costs only the decoder.

    Args:
        inner: Carries tensors to the server.
        clock: Monotonic seconds.
    """

    def __init__(self, inner: RetryingTransport, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._clock = clock
        self._ready: tuple[float, bool] = (-float("inf"), False)
        self._kept: OrderedDict[bytes, Tensors] = OrderedDict()
        self._lock = threading.Lock()

    def is_served(self, request: RunRequest) -> bool:
        """Whether the server has the model; asked at most every ten seconds.

        Raises:
            ServerError: The server did not answer the question.
        """
        asked_s, ready = self._ready
        now_s = self._clock()
        if now_s - asked_s >= _READY_MAX_AGE_S:
            ready = all(self._inner.is_ready(request, model) for model in contract.PROMPT_MODELS)
            self._ready = (now_s, ready)
        return ready

    def mask(self, request: RunRequest, prompt: PromptSet) -> PromptMask:
        """The mask that a prompt of points, a box or both means in a request's photograph.

        Raises:
            ServerError: No usable answer came; the class says why.
            RequestCancelledError: The request was cancelled.
        """
        with request.state.watch.stage("resize"):
            picture, _ = preprocess.network_image(request.photo.rgb, contract.PROMPT_SIZE, "static")
            key = hashlib.blake2b(picture.data, digest_size=16).digest()
        points, labels = _tensors(prompt, request.photo.size_hw)
        kept = self._look_up(key)
        if kept is not None:
            try:
                return self._decoded(request, kept, points, labels)
            except ModelUnavailableError:  # the version that encoded it has gone
                self._forget(key)
        embeddings = self._encoded(request, picture)
        self._keep(key, embeddings)
        return self._decoded(request, embeddings, points, labels)

    def _encoded(self, request: RunRequest, picture: NDArray[np.uint8]) -> Tensors:
        return self._inner.run(
            request, contract.ENCODER, {contract.INPUT_NAME: picture[np.newaxis]}, contract.EMBEDDING_NAMES
        )

    def _decoded(
        self, request: RunRequest, embeddings: Tensors, points: NDArray[np.float32], labels: NDArray[np.int32]
    ) -> PromptMask:
        tensors = {**embeddings.values, contract.POINTS_NAME: points, contract.LABELS_NAME: labels}
        outputs = (contract.MASKS_NAME, contract.SCORES_NAME)
        # Both graphs of one version were exported from the same weights.
        reply = self._inner.run(request, contract.DECODER, tensors, outputs, version=embeddings.version)
        masks, scores = (np.asarray(reply.values[name][0], np.float32) for name in outputs)
        shape = (contract.MASKS_PER_PROMPT, contract.MASK_SIZE, contract.MASK_SIZE)
        if masks.shape != shape or scores.shape != shape[:1]:
            raise ContractError(
                f"The model {contract.DECODER} answered with masks of the shape {list(masks.shape)} instead of "
                f"{list(shape)}: publish it with `tuft-export sam2`."
            )
        if not (np.isfinite(masks).all() and np.isfinite(scores).all()):
            raise ContractError("The model for prompts answered with values that are not finite: export it again.")
        chosen = _chosen(scores, labels)
        return PromptMask(masks[chosen], float(scores[chosen]))

    def _look_up(self, key: bytes) -> Tensors | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: bytes, embeddings: Tensors) -> None:
        with self._lock:
            self._kept[key] = embeddings
            while len(self._kept) > KEPT_PICTURES:
                self._kept.popitem(last=False)

    def _forget(self, key: bytes) -> None:
        with self._lock:
            self._kept.pop(key, None)


def _tensors(prompt: PromptSet, size_hw: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """POINTS and LABELS of a prompt, in the order of SAM 2's own code: points, then the box."""
    xy: list[tuple[float, float]] = []
    labels: list[int] = []
    if prompt.points is not None:
        xy += [*prompt.points.subject_xy, *prompt.points.background_xy]
        labels += [contract.ON_SUBJECT] * len(prompt.points.subject_xy)
        labels += [contract.BESIDE] * len(prompt.points.background_xy)
    if prompt.box is not None:
        xy += [(prompt.box.x1, prompt.box.y1), (prompt.box.x2, prompt.box.y2)]
        labels += [contract.BOX_TOP_LEFT, contract.BOX_BOTTOM_RIGHT]
    scale_xy = np.array([contract.PROMPT_SIZE / size_hw[1], contract.PROMPT_SIZE / size_hw[0]])
    return (np.array([xy]) * scale_xy).astype(np.float32), np.array([labels], np.int32)


def _chosen(scores: NDArray[np.float32], labels: NDArray[np.int32]) -> int:
    """The index of the mask that answers a prompt: one click may mean several things, more say exactly which."""
    is_vague = labels.size == 1
    return 1 + int(np.argmax(scores[1:])) if is_vague else 0
