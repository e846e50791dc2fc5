"""The proof of both graphs: ONNX Runtime computes what the network does through transformers' own interface."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import torch

from tuft import contract
from tuft_export.errors import ParityError
from tuft_export.parity.ort_session import OrtSession
from tuft_export.sam2.graphs import DECODER_INPUTS, DECODER_OUTPUTS
from tuft_export.sample_images import sample_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from numpy.typing import NDArray
    from transformers import Sam2Model

    from tuft_export.sam2.graphs import Sam2Graphs

# Largest difference, in standard deviations of what is expected. Embeddings are rounded to float16, whose steps are a
# thousandth of the largest values; masks and scores are computed in float32 from the same rounded embeddings.
ENCODER_TOLERANCE: Final = 2e-2
DECODER_TOLERANCE: Final = 2e-3
# Pictures in the batch that is compared with its pictures one by one.
BATCH: Final = 2
# Below this the output is practically constant, and the comparison proves nothing.
MIN_STD: Final = 1e-6

# Points on the subject, points beside it, and a box or None, in pixels of the square.
Prompt: TypeAlias = tuple[list[Any], list[Any], Any]

_S: Final = contract.PROMPT_SIZE
PROMPTS: Final[Mapping[str, Prompt]] = {
    "one point": ([(0.4 * _S, 0.3 * _S)], [], None),
    "points on and beside": ([(0.4 * _S, 0.3 * _S), (0.5 * _S, 0.6 * _S)], [(0.9 * _S, 0.1 * _S)], None),
    "a box": ([], [], (0.1 * _S, 0.2 * _S, 0.7 * _S, 0.8 * _S)),
    "a box and a point": ([(0.4 * _S, 0.3 * _S)], [], (0.1 * _S, 0.2 * _S, 0.7 * _S, 0.8 * _S)),
}


@dataclass(frozen=True)
class Difference:
    """The comparison of one output.

    Attributes:
        what: The output, and for which input.
        relative: Largest difference in standard deviations of what is expected; infinite if a value is not finite.
        std: Standard deviation of what is expected.
        tolerance: The largest `relative` allowed.
    """

    what: str
    relative: float
    std: float
    tolerance: float

    def __bool__(self) -> bool:
        return self.relative <= self.tolerance and self.std >= MIN_STD

    def __str__(self) -> str:
        verdict = "" if self else ", NOT EQUAL"
        return f"  {self.what}: {self.relative:.1e} of the standard deviation {self.std:.2g}{verdict}"


@dataclass(frozen=True)
class Sam2Proof:
    """All comparisons; true if each is within its tolerance."""

    differences: tuple[Difference, ...]

    def __bool__(self) -> bool:
        return all(self.differences)

    def __str__(self) -> str:
        verdict = "equal to the network" if self else "NOT equal to the network"
        return "\n".join([f"SAM 2: {verdict}", *map(str, self.differences)])

    def require(self) -> None:
        """Raises ParityError unless the proof is true."""
        if not self:
            raise ParityError(f"The exported graphs are not the network; nothing was written. {self}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the verdict included."""
        return {"equal": bool(self), **asdict(self)}


def prove(graphs: Sam2Graphs, model: Sam2Model, prompts: Mapping[str, Prompt] = PROMPTS) -> Sam2Proof:
    """Compares the graphs with their network, on photographs, alone and in a batch, and for every kind of prompt.

    Args:
        graphs: The exported graphs.
        model: In evaluation mode.
        prompts: Points on the subject, points beside it and a box, by name; the first one is sent for a whole batch.

    Raises:
        ParityError: Names, types or axes differ from the contract; wrong values only make the proof false.
    """
    check_interfaces(graphs)
    encoder, decoder = OrtSession(graphs.encoder), OrtSession(graphs.decoder)
    pictures = sample_pictures(contract.PROMPT_SIZE, BATCH)
    expected = _embeddings(model, pictures)
    singles = [encoder.run_all(contract.EMBEDDING_NAMES, {contract.INPUT_NAME: one[None]}) for one in pictures]
    batch = encoder.run_all(contract.EMBEDDING_NAMES, {contract.INPUT_NAME: pictures})
    differences = []
    for at, name in enumerate(contract.EMBEDDING_NAMES):
        joined = np.concatenate([single[at] for single in singles])
        differences += [
            _difference(f"{name}, single pictures", joined, expected[at], ENCODER_TOLERANCE),
            _difference(f"{name}, a batch of {BATCH}", batch[at], expected[at], ENCODER_TOLERANCE),
        ]
    for what, prompt in prompts.items():
        pictures_at_once = BATCH if what == next(iter(prompts)) else 1
        some = [each[:pictures_at_once] for each in batch]
        differences += _decoder_differences(decoder, model, some, what, prompt)
    return Sam2Proof(tuple(differences))


def check_interfaces(graphs: Sam2Graphs) -> None:
    """Checks both graphs' inputs and outputs against the contract: names, element types, axes.

    Raises:
        ParityError: One of them differs; the message says which.
    """
    from onnx import TensorProto

    square, side = contract.PROMPT_SIZE, contract.MASK_SIZE
    picture = [(contract.INPUT_NAME, TensorProto.UINT8, ("n", square, square, contract.CHANNELS))]
    embeddings = [
        (name, TensorProto.FLOAT16, ("n", *shape))
        for name, shape in zip(contract.EMBEDDING_NAMES, contract.EMBEDDING_SHAPES, strict=True)
    ]
    prompt = [
        (contract.POINTS_NAME, TensorProto.FLOAT, ("n", "p", 2)),
        (contract.LABELS_NAME, TensorProto.INT32, ("n", "p")),
    ]
    answers = [
        (contract.MASKS_NAME, TensorProto.FLOAT, ("n", contract.MASKS_PER_PROMPT, side, side)),
        (contract.SCORES_NAME, TensorProto.FLOAT, ("n", contract.MASKS_PER_PROMPT)),
    ]
    for graph, inputs, outputs in (
        (graphs.encoder, picture, embeddings),
        (graphs.decoder, [*embeddings, *prompt], answers),
    ):
        actual = _interface(graph)
        if actual != (inputs, outputs):
            raise ParityError(f"The graph takes and gives {actual} instead of {(inputs, outputs)}: export it again.")


def _interface(graph: onnx.ModelProto) -> tuple[list[Any], list[Any]]:
    def described(value: onnx.ValueInfoProto) -> tuple[str, int, tuple[str | int, ...]]:
        kind = value.type.tensor_type
        return value.name, kind.elem_type, tuple(axis.dim_param or axis.dim_value for axis in kind.shape.dim)

    return [described(value) for value in graph.graph.input], [described(value) for value in graph.graph.output]


def _embeddings(model: Sam2Model, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The network's own embeddings, of pictures that are normalised here as transformers' image processor does it."""
    normalised = (pictures / 255 - np.array(contract.MEAN)) / np.array(contract.STD)
    values = torch.from_numpy(normalised.transpose(0, 3, 1, 2).astype(np.float32))
    with torch.no_grad():
        finest, finer, embedding = model.get_image_embeddings(values)
    return [each.numpy() for each in (embedding, finer, finest)]


def _decoder_differences(
    decoder: OrtSession, model: Sam2Model, embeddings: Sequence[NDArray[Any]], what: str, prompt: Prompt
) -> list[Difference]:
    """One prompt for some pictures, in one batch, against the network's forward pass for each kind of answer."""
    xy, labels = _points(*prompt)
    count = len(embeddings[0])
    tensors = dict(zip(DECODER_INPUTS, [*embeddings, xy.repeat(count, 0), labels.repeat(count, 0)], strict=True))
    masks, scores = decoder.run_all(DECODER_OUTPUTS, tensors)
    differences = []
    for several, chosen in ((False, slice(0, 1)), (True, slice(1, None))):
        own_masks, own_scores = _answers(model, embeddings, prompt, several=several)
        kind = f"{what}, {'three masks' if several else 'one mask'}"
        differences += [
            _difference(f"{contract.MASKS_NAME}, {kind}", masks[:, chosen], own_masks, DECODER_TOLERANCE),
            _difference(f"{contract.SCORES_NAME}, {kind}", scores[:, chosen], own_scores, DECODER_TOLERANCE),
        ]
    return differences


def _points(on: Any, beside: Any, box: Any) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The prompt as the contract has it: [1, p, 2] and [1, p]."""
    corners = [] if box is None else [box[:2], box[2:]]
    labels = [contract.ON_SUBJECT] * len(on) + [contract.BESIDE] * len(beside)
    labels += [contract.BOX_TOP_LEFT, contract.BOX_BOTTOM_RIGHT][: len(corners)]
    return np.array([[*on, *beside, *corners]], np.float32), np.array([labels], np.int32)


def _answers(
    model: Sam2Model, embeddings: Sequence[NDArray[Any]], prompt: Prompt, *, several: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The network's own answers, with points and boxes as transformers takes them."""
    on, beside, box = prompt
    count = len(embeddings[0])
    points = {}
    if on or beside:
        points = {
            "input_points": torch.tensor([[[*on, *beside]]] * count),
            "input_labels": torch.tensor([[[1] * len(on) + [0] * len(beside)]] * count),
        }
    embedding, finer, finest = (torch.from_numpy(np.asarray(each, np.float32)) for each in embeddings)
    with torch.no_grad():
        output = model(
            image_embeddings=[finest, finer, embedding],
            input_boxes=None if box is None else torch.tensor([[box]] * count),
            multimask_output=several,
            **points,
        )
    return output.pred_masks[:, 0].numpy(), output.iou_scores[:, 0].numpy()


def _difference(what: str, actual: NDArray[Any], expected: NDArray[np.float32], tolerance: float) -> Difference:
    std = float(expected.std())
    if what.startswith(contract.SCORES_NAME):
        std = max(std, 0.1)  # one score has no deviation; they lie in 0..1
    if actual.shape != expected.shape or not np.isfinite(actual).all():
        return Difference(what, float("inf"), std, tolerance)
    return Difference(what, float(np.abs(actual - expected).max() / max(std, MIN_STD)), std, tolerance)
