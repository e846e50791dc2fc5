"""A stand-in for SAM 2 of measured quality: it knows the truth, and answers with a damaged mask of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

import cv2
import numpy as np

from tuft import CallOptions, Inference, Tensors, contract
from tuft.inference.transport.base import NetworkInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tuft import ServerInfo, Transport

Damage = Literal["exact", "eroded", "dilated", "coarse"]
DAMAGES: Final[tuple[Damage, ...]] = ("exact", "eroded", "dilated", "coarse")

# Of the square root of the subject's area: how far the edge of an eroded or dilated mask is off.
_EDGE_SHARE: Final = 0.03
_COARSE_SIDE: Final = 48


def damaged_logits(alpha: NDArray[np.float32], damage: Damage) -> NDArray[np.float32]:
    """The mask of a subject as a promptable model would give it: logits (256, 256), above zero inside.

    Args:
        alpha: (H, W) float32, the truth.
        damage: How it is spoiled; `exact` only loses the resolution.
    """
    mask = (alpha >= 0.5).astype(np.float32)
    radius = max(1, round(_EDGE_SHARE * math.sqrt(float(mask.sum()))))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    if damage == "eroded":
        mask = cv2.erode(mask, disk)
    elif damage == "dilated":
        mask = cv2.dilate(mask, disk)
    elif damage == "coarse":
        mask = cv2.resize(mask, (_COARSE_SIDE, _COARSE_SIDE), interpolation=cv2.INTER_AREA)
    side = (contract.MASK_SIZE, contract.MASK_SIZE)
    shrinks = mask.shape[0] > contract.MASK_SIZE
    grid = cv2.resize(mask, side, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    logits: NDArray[np.float32] = 20 * (grid - 0.5)
    return logits


class StandIn:
    """A transport that sends pictures to another one, and answers prompts with damaged masks of the truth.

    Args:
        inner: Computes the matting network.

    Attributes:
        alphas: (H, W) float32 for each subject of the present photograph.
        damage: How their masks are spoiled.
    """

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.alphas: tuple[NDArray[np.float32], ...] = ()
        self.damage: Damage = "exact"

    def infer(
        self, model: str, image: NDArray[np.uint8], *, timeout_s: float, options: CallOptions | None = None
    ) -> Inference:
        """The saliency of a picture by the other transport."""
        return self._inner.infer(model, image, timeout_s=timeout_s, options=options)

    def run(
        self,
        model: str,
        tensors: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        *,
        timeout_s: float,
        options: CallOptions | None = None,
    ) -> Tensors:
        """As encoder nothing; as decoder the damaged mask of the subject that most of the prompt lies on."""
        if model == contract.ENCODER:
            return Tensors(dict.fromkeys(outputs, np.zeros((1, 1), np.float16)), model, "1")
        points, labels = tensors[contract.POINTS_NAME][0], tensors[contract.LABELS_NAME][0]
        chosen = max(self.alphas, key=lambda alpha: _meant(alpha, points, labels))
        masks = np.repeat(damaged_logits(chosen, self.damage)[None, None], contract.MASKS_PER_PROMPT, axis=1)
        scores = np.ones((1, contract.MASKS_PER_PROMPT), np.float32)
        return Tensors({contract.MASKS_NAME: masks, contract.SCORES_NAME: scores}, model, "1")

    def is_ready(self, model: str) -> bool:
        """Whether a model is served; those for prompts are."""
        return model in contract.PROMPT_MODELS or self._inner.is_ready(model)

    def model_size(self, model: str, *, timeout_s: float) -> int:
        """As the other transport."""
        return self._inner.model_size(model, timeout_s=timeout_s)

    def network_input(self, model: str, *, timeout_s: float) -> NetworkInput:
        """As the other transport."""
        return self._inner.network_input(model, timeout_s=timeout_s)

    def served_version(self, model: str, *, timeout_s: float) -> str:
        """As the other transport."""
        return self._inner.served_version(model, timeout_s=timeout_s)

    def ready_models(self) -> tuple[str, ...]:
        """As the other transport."""
        return self._inner.ready_models()

    def ready_versions(self, model: str) -> tuple[str, ...]:
        """As the other transport."""
        return self._inner.ready_versions(model)

    def other_models(self, key: str = "") -> tuple[str, ...]:
        """As the other transport."""
        return self._inner.other_models(key)

    def server_info(self) -> ServerInfo:
        """As the other transport."""
        return self._inner.server_info()

    def close(self) -> None:
        """Closes the other transport."""
        self._inner.close()


def _meant(alpha: NDArray[np.float32], points: NDArray[np.float32], labels: NDArray[np.int32]) -> float:
    """How much a prompt means a subject: points on it, less those beside it, and how well a box fits it."""
    height, width = alpha.shape
    xy = points * np.array([width, height]) / contract.PROMPT_SIZE
    meant = 0.0
    for (x, y), label in zip(xy, labels, strict=True):
        if label in (contract.BESIDE, contract.ON_SUBJECT):
            value = float(alpha[min(int(y), height - 1), min(int(x), width - 1)])
            meant += value if label == contract.ON_SUBJECT else -value
    corners = xy[labels >= contract.BOX_TOP_LEFT]
    if len(corners):
        rows, columns = (np.flatnonzero((alpha >= 0.5).any(axis)) for axis in (1, 0))
        own = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]])
        both = np.prod(np.clip(np.minimum(own[1], corners[1]) - np.maximum(own[0], corners[0]), 0, None))
        meant += both / (np.prod(own[1] - own[0]) + np.prod(corners[1] - corners[0]) - both)
    return meant
