"""The reference of the parity check: the network as published, with normalisation and activation in numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft_export.errors import AdoptError
from tuft_export.parity.ort_session import OrtSession, failure_reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.models import Activation
    from tuft_export.adopt.onnx_model import Source
    from tuft_export.adopt.wrapping import Wrapping

# How far an output with values in 0..1 may exceed that range, by rounding in float16 and after a resize.
MAX_EXCESS: Final = 0.02


def answers_of(source: Source, output: str, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Runs the network as published, on one image at a time.

    Args:
        source: The network.
        output: Name of its output.
        pictures: Normalised, float32 [n, 3, S, S].

    Returns:
        Its outputs, stacked: float32 [n, 1 or 2, h, w] or [n, h, w].

    Raises:
        AdoptError: ONNX Runtime cannot load or run it, or its output is not a mask.
    """
    inputs = pictures.astype(np.float16) if source.is_half else pictures
    try:
        session = OrtSession(source.path)
        answers = [session.run(output, source.input_name, inputs[i : i + 1]) for i in range(len(inputs))]
    except ImportError:
        raise
    except Exception as exc:  # ONNX Runtime's own exceptions have no common base
        size = pictures.shape[-1]
        raise AdoptError(
            f"{source.path} fails on a picture of {size} pixels ({failure_reason(exc)}): "
            f"{'export it again' if source.size else 'choose another --size'}."
        ) from exc
    _check_shape(source, output, answers[0].shape)
    stacked: NDArray[np.float32] = np.concatenate(answers).astype(np.float32)
    return stacked


def saliency_from_answers(answers: NDArray[np.float32], wrapping: Wrapping) -> NDArray[np.float32]:
    """The expected `SALIENCY`, in numpy: float32 [n, S, S] from the network's outputs [n, c, h, w] or [n, h, w].

    Raises:
        AdoptError: The activation does not fit the outputs.
    """
    if answers.ndim == 3:
        answers = answers[:, None]
    _check_activation(answers, wrapping.activation)
    mask = answers[:, wrapping.foreground]
    if wrapping.activation == "softmax":
        exponentials = np.exp(answers - answers.max(axis=1, keepdims=True))
        mask = exponentials[:, wrapping.foreground] / exponentials.sum(axis=1)
    elif wrapping.activation == "sigmoid":
        mask = np.exp(-np.logaddexp(0, -mask))
    else:
        mask = mask.clip(0, 1)
    size_wh = (wrapping.size, wrapping.size)
    resized = [cv2.resize(each, size_wh, interpolation=cv2.INTER_LINEAR) for each in mask]
    return np.asarray(resized, np.float32)


def _check_shape(source: Source, output: str, shape: tuple[int, ...]) -> None:
    """Checks that the output for one image is a square mask."""
    channels = shape[1:-2]
    if len(shape) < 3 or shape[0] != 1 or channels not in ((), (1,), (2,)) or shape[-1] != shape[-2]:
        others = ", ".join(name for name in source.output_names if name != output)
        remedy = f"name another with --output, one of {others}" if others else "adopt a network that cuts out subjects"
        raise AdoptError(
            f"The output {output} of {source.path} has the shape {list(shape)} for one picture, and a mask has "
            f"[1, 1, h, h], or two channels for background and foreground: {remedy}."
        )


def _check_activation(answers: NDArray[np.float32], activation: Activation) -> None:
    channels = answers.shape[1]
    if activation == "softmax" and channels == 1:
        raise AdoptError("The network answers with one channel: give --output-activation sigmoid.")
    if activation == "sigmoid" and channels == 2:
        raise AdoptError("The network answers with background and foreground: give --output-activation softmax.")
    least, most = float(answers.min()), float(answers.max())
    if not np.isfinite(least + most):
        raise AdoptError("The network answers with values that are not finite: look at --normalize, or use float32.")
    in_range = least >= -MAX_EXCESS and most <= 1 + MAX_EXCESS
    said = f"The network's answers lie between {least:.3g} and {most:.3g}"
    if activation == "none" and not in_range:
        raise AdoptError(
            f"{said}, so they are not 0..1 yet: give --output-activation sigmoid, or softmax for two channels."
        )
    if activation != "none" and in_range:
        raise AdoptError(f"{said}, so they are 0..1 already: give --output-activation none.")
