"""Serving other people's networks: their ONNX file inside the wire contract, proven, and placed in the repository.

`source` reads the file, `normalisation` knows what published networks want of their pixels, `reference` says what the
network answers, `wrapping` puts nodes round the graph, `proof` compares the two, `configuration` derives how Triton
serves it, and `placing` puts it all into the repository.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.provenance import SERVED_FILES, is_version
from tuft_export.adopt.configuration import Templates, require_room, templates_for
from tuft_export.adopt.normalisation import NORMALISATIONS
from tuft_export.adopt.onnx_model import read_source
from tuft_export.adopt.parity import proof_pictures, prove
from tuft_export.adopt.publish import finish
from tuft_export.adopt.reference import answers_of, saliency_from_answers
from tuft_export.adopt.wrapping import ACTIVATIONS, Activation, Wrapping, save, wrapped
from tuft_export.errors import AdoptError
from tuft_export.publishing.staging import staging

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuft_export.adopt.onnx_model import Source
    from tuft_export.adopt.parity import Proof

__all__ = ["ACTIVATIONS", "NORMALISATIONS", "RUNTIMES", "Activation", "AdoptOptions", "Adopted", "adopt"]

# A TensorRT engine is built elsewhere.
RUNTIMES: Final = ("onnxruntime", "openvino", "python")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_OWN_PREFIX: Final = contract.model_name(0).rstrip("0")


@dataclass(frozen=True)
class AdoptOptions:
    """What is known of the network, and where it goes.

    Attributes:
        name: What the server and the client will call it: letters, digits, _ and -; tuft's own names are taken.
        normalize: One of `NORMALISATIONS`: what it wants of its pixels.
        output_activation: One of `ACTIVATIONS`: what makes 0..1 of its answer.
        size: Working size in pixels, for a network that leaves it open.
        output: Name of the output that is the mask, for a network with several.
        repository: The folder of models, with the project's own configurations.
        runtime: One of `RUNTIMES`.
        max_batch_size: The largest batch, for a network that takes any; None is that of tuft's own models.
        version: Name of the version folder.
    """

    name: str
    normalize: str
    output_activation: Activation
    size: int | None = None
    output: str | None = None
    repository: Path = Path("model_repository")
    runtime: str = "python"
    max_batch_size: int | None = None
    version: str = "1"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.startswith(_OWN_PREFIX):
            raise AdoptError(
                f"A model cannot be called {self.name!r}: give a --name of letters, digits, _ and - that does not "
                f"begin with {_OWN_PREFIX}."
            )
        for option, value, known in (
            ("normalisation", self.normalize, tuple(NORMALISATIONS)),
            ("output activation", self.output_activation, ACTIVATIONS),
            ("runtime", self.runtime, RUNTIMES),
        ):
            if value not in known:
                raise AdoptError(f"There is no {option} {value!r}: choose one of {', '.join(known)}.")
        if self.max_batch_size is not None and self.max_batch_size < 1:
            raise AdoptError(f"There is no batch of {self.max_batch_size}: give one above zero with --max-batch.")
        if not is_version(self.version):
            raise AdoptError(f"A version is a whole number from 1, not {self.version!r}: give another with --version.")


@dataclass(frozen=True)
class Adopted:
    """What has become of a network.

    Attributes:
        folder: The version folder.
        size: Working size in pixels.
        max_batch_size: The largest batch that the server takes.
        proof: How far the served graph is from the network.
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
    """Wraps somebody's ONNX file, proves the result and publishes it; all of it or nothing.

    Raises:
        AdoptError: The file or an option does not fit; the message says what would.
        ParityError: The wrapped graph does not compute what the network computes.
        PublishError: The repository is not one of tuft's.
    """
    source = read_source(path)
    size = source.working_size(options.size)
    templates = templates_for(size, options.repository)
    folder = options.repository / options.name
    require_room(folder, size, options.version)
    pictures = proof_pictures(size)
    wrapping, expected = _planned(source, options, pictures)
    with staging(folder / options.version) as staged:
        save(wrapped(source, wrapping), staged / SERVED_FILES["onnx"])
        proof = prove(staged / SERVED_FILES["onnx"], expected, pictures, source)
        proof.require()
        max_batch_size = _largest_batch(options, templates, proof)
        configurations = templates.configurations(options.name, size, max_batch_size)
        target = finish(staged, source, configurations, proof, size=size, runtime=options.runtime)
    return Adopted(target, size, max_batch_size, proof)


def _planned(
    source: Source, options: AdoptOptions, pictures: NDArray[np.uint8]
) -> tuple[Wrapping, NDArray[np.float32]]:
    """What to put round the network, and what it then has to say about `pictures`: float32 [n, S, S]."""
    normalisation, output = NORMALISATIONS[options.normalize], source.output(options.output)
    answers = answers_of(source, output, normalisation(pictures))
    answer_shape = (1, *answers.shape[1:])
    wrapping = Wrapping(pictures.shape[1], normalisation, output, answer_shape, options.output_activation)
    return wrapping, saliency_from_answers(answers, wrapping)


def _largest_batch(options: AdoptOptions, templates: Templates, proof: Proof) -> int:
    if not proof.batches_agree:
        return 1
    return options.max_batch_size or templates.spec.max_batch_size
