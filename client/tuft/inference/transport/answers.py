"""What a served model takes and gives: compared with the contract, and read from Triton's replies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft import contract
from tuft.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.inference.transport.messages import Reply

REMEDY: Final = "publish it with `tuft-export publish`, or with `tuft-export adopt` if it is not tuft's own"


def contract_problem(metadata: Any) -> str | None:
    """How a served model's tensors differ from the contract, as the end of a sentence; None if they do not.

    Args:
        metadata: Triton's ModelMetadataResponse, or anything with its `inputs` and `outputs`.
    """
    if len(metadata.inputs) != 1:
        return f"takes {len(metadata.inputs)} tensors instead of one"
    outputs = [tensor for tensor in metadata.outputs if tensor.name == contract.OUTPUT_NAME]
    if not outputs:
        return f"has no output {contract.OUTPUT_NAME}"
    taken = list(metadata.inputs[0].shape)
    size = taken[-2] if len(taken) > 1 else -1  # where the contract has the side of the square
    if size < 1:
        return f"takes {metadata.inputs[0].name} {taken} instead of pictures of one size"
    input_shape = [-1, size, size, contract.CHANNELS]
    return _difference("takes", metadata.inputs[0], contract.INPUT_NAME, (contract.INPUT_DTYPE,), input_shape) or (
        _difference("gives", outputs[0], contract.OUTPUT_NAME, contract.OUTPUT_DTYPES, [-1, size, size])
    )


def _difference(verb: str, tensor: Any, name: str, dtypes: tuple[str, ...], shape: list[int]) -> str | None:
    given = list(tensor.shape)
    if tensor.name == name and tensor.datatype in dtypes and given == shape:
        return None
    return f"{verb} {tensor.name} {tensor.datatype} {given} instead of {name} {' or '.join(dtypes)} {shape}"


def saliency_from_reply(reply: Reply, model: str, size: int) -> NDArray[np.float32]:
    """(S, S) float32 saliency out of Triton's answer to one picture."""
    saliency = values_from_reply(reply, contract.OUTPUT_NAME, model)
    if saliency is None or saliency.shape != (1, size, size):
        given = None if saliency is None else list(saliency.shape)
        raise ContractError(
            f"The model {model} sent {contract.OUTPUT_NAME} {given} instead of {[1, size, size]}: {REMEDY}."
        )
    return np.asarray(saliency[0], dtype=np.float32)


def values_from_reply(reply: Reply, name: str, model: str) -> Any:
    """An output out of Triton's answer; None if it has no such output."""
    try:
        return reply.as_numpy(name)
    except ValueError as exc:
        raise ContractError(
            f"The model {model} sent a {name} without its values: "
            "if the server runs from the Python wheel, install numpy < 2 beside it."
        ) from exc
