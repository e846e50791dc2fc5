"""Adoption of third-party networks: wraps their ONNX file in the wire contract, checks parity, and publishes it.

`onnx_model` reads the file, `normalisation` lists the normalisations of published networks, `reference` computes the
expected saliency, `wrapping` adds nodes around the graph, `parity` compares the two, `configuration` derives the
configurations for Triton, and `publish` fills the version folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.models import ACTIVATIONS, Activation
from tuft.presets import RESIZES, Resize
from tuft.provenance import SERVED_FILES, is_version
from tuft_export.adopt.configuration import Templates, require_room, templates_for
from tuft_export.adopt.normalisation import NORMALISATIONS
from tuft_export.adopt.onnx_model import read_source
from tuft_export.adopt.parity import proof_pictures, prove
from tuft_export.adopt.publish import finish
from tuft_export.adopt.reference import answers_of, saliency_from_answers
from tuft_export.adopt.wrapping import Wrapping, save, wrapped
from tuft_export.errors import AdoptError
from tuft_export.publishing.staging import staging

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuft_export.adopt.onnx_model import Source
    from tuft_export.adopt.parity import Proof

__all__ = ["ACTIVATIONS", "ADOPT_RUNTIMES", "NORMALISATIONS", "Activation", "AdoptOptions", "Adopted", "adopt"]

# TensorRT engines are built for tuft's own networks only.
ADOPT_RUNTIMES: Final = tuple(runtime for runtime in contract.RUNTIMES if runtime != "tensorrt")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OWN_PREFIX: Final = contract.model_name(0).rstrip("0")


@dataclass(frozen=True)
class AdoptOptions:
    """Properties of the network that its file does not state, and where to publish it.

    Attributes:
        name: Name of the served model: letters, digits, ., _ and -; not one of tuft's own.
        normalize: One of `NORMALISATIONS`: the normalisation of its input.
        output_activation: One of `ACTIVATIONS`: maps its output to 0..1.
        size: Working size in pixels, for a network that leaves it open.
        output: Name of the output that is the mask, or its position, for a network with several.
        repository: The model repository.
        runtime: One of `ADOPT_RUNTIMES`.
        max_batch_size: The largest batch, for a network of any batch size; None is that of tuft's own models.
        version: Name of the version folder.
        resize: How photographs were brought to the working size when the network was trained: `static` squashes them to
            a square, as nearly all published networks do; `dynamic` keeps the aspect ratio and fills up the square.
    """

    name: str
    normalize: str
    output_activation: Activation
    size: int | None = None
    output: str | int | None = None
    repository: Path = Path("model_repository")
    runtime: str = "python"
    max_batch_size: int | None = None
    version: str = "1"
    resize: Resize = "static"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.startswith(_OWN_PREFIX):
            raise AdoptError(
                f"A model cannot be called {self.name!r}: give a --name of letters, digits, ., _ and - that does not "
                f"begin with {_OWN_PREFIX}."
            )
        for option, value, known in (
            ("normalisation", self.normalize, tuple(NORMALISATIONS)),
            ("output activation", self.output_activation, ACTIVATIONS),
            ("runtime", self.runtime, ADOPT_RUNTIMES),
            ("resize mode", self.resize, RESIZES),
        ):
            if value not in known:
                raise AdoptError(f"There is no {option} {value!r}: choose one of {', '.join(known)}.")
        if self.max_batch_size is not None and self.max_batch_size < 1:
            raise AdoptError(f"There is no batch of {self.max_batch_size}: give one above zero with --max-batch.")
        if not is_version(self.version):
            raise AdoptError(f"A version is a whole number from 1, not {self.version!r}: give another with --version.")


@dataclass(frozen=True)
class Adopted:
    """An adopted network.

    Attributes:
        folder: The version folder.
        size: Working size in pixels.
        max_batch_size: The largest batch that the server takes.
        proof: The comparison of the served graph with the network.
    """

    folder: Path
    size: int
    max_batch_size: int
    proof: Proof

    def __str__(self) -> str:
        return f"{self.folder.parent.name} at {self.size}: {self.proof}\n  {self._batches}"

    @property
    def _batches(self) -> str:
        if self.proof.batches_agree:
            return f"served in batches of up to {self.max_batch_size}"
        tried = len(self.proof.batches) > 1
        why = "its answers to batches are others than to singles" if tried else "it takes single pictures only"
        return f"served one picture at a time: {why}"


def adopt(path: Path, options: AdoptOptions) -> Adopted:
    """Wraps an ONNX file, checks the result and publishes it; a failure publishes nothing.

    Raises:
        AdoptError: The file or an option does not fit; the message says what to change.
        ParityError: The wrapped graph does not compute the same as the network.
    """
    source = read_source(path)
    size = source.working_size(options.size)
    templates = templates_for(size, options.repository)
    folder = options.repository / options.name
    require_room(folder, size, options.version, options.resize)
    pictures = proof_pictures(size)
    wrapping, expected = _planned(source, options, pictures)
    with staging(folder / options.version) as staged:
        save(wrapped(source, wrapping), staged / SERVED_FILES["onnx"])
        proof = prove(staged / SERVED_FILES["onnx"], expected, pictures, source)
        proof.require()
        max_batch_size = _largest_batch(options, templates, proof)
        configurations = templates.configurations(options.name, size, max_batch_size, options.resize)
        target = finish(staged, source, configurations, proof, size=size, runtime=options.runtime)
    return Adopted(target, size, max_batch_size, proof)


def _planned(
    source: Source, options: AdoptOptions, pictures: NDArray[np.uint8]
) -> tuple[Wrapping, NDArray[np.float32]]:
    """The wrapping of the network, and the saliency it must then compute for `pictures`: float32 [n, S, S]."""
    normalisation, output = NORMALISATIONS[options.normalize], source.output(options.output)
    answers = answers_of(source, output, normalisation(pictures))
    answer_shape = (1, *answers.shape[1:])
    wrapping = Wrapping(pictures.shape[1], normalisation, output, answer_shape, options.output_activation)
    return wrapping, saliency_from_answers(answers, wrapping)


def _largest_batch(options: AdoptOptions, templates: Templates, proof: Proof) -> int:
    if not proof.batches_agree:
        return 1
    return options.max_batch_size or templates.spec.max_batch_size
