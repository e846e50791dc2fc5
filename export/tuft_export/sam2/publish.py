"""Puts both graphs of SAM 2.1 into a model repository, each complete or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.provenance import SERVED_FILES, is_version
from tuft_export.errors import PublishError
from tuft_export.provenance import onnx_link, write_version
from tuft_export.publishing.configurations import add_configurations
from tuft_export.publishing.python_backend import TENSORS_ENTRY, copy_python_backend
from tuft_export.publishing.staging import replace_folder, staging
from tuft_export.sam2.graphs import graphs_of
from tuft_export.sam2.parity import prove

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import Sam2Model

    from tuft.provenance import Link
    from tuft_export.sam2.graphs import Sam2Graphs
    from tuft_export.sam2.parity import Sam2Proof

RUNTIMES: Final = ("python", "onnxruntime")


@dataclass(frozen=True)
class Sam2Options:
    """Options of a publication.

    Attributes:
        repository: The model repository.
        runtime: One of `RUNTIMES`.
        version: Name of the version folders.

    Raises:
        PublishError: There is no such runtime or version.
    """

    repository: Path
    runtime: str = "python"
    version: str = "1"

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise PublishError(f"There is no runtime {self.runtime!r} for SAM 2: choose {' or '.join(RUNTIMES)}.")
        if not is_version(self.version):
            raise PublishError(f"A version is a whole number from 1, not {self.version!r}.")


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        folders: The version folders of encoder and decoder.
        proof: The comparison with the network.
    """

    folders: tuple[Path, Path]
    proof: Sam2Proof


def publish_sam2(model: Sam2Model, origin: Link, options: Sam2Options) -> Published:
    """Exports a network, proves both graphs and publishes them.

    Args:
        model: In evaluation mode.
        origin: The link of its weights, the first of both chains of provenance.
        options: Where and how.

    Raises:
        ParityError: A graph does not compute the same as the network; nothing is written.
        OutputError: The repository cannot be written.
    """
    graphs = graphs_of(model)
    proof = prove(graphs, model)
    proof.require()
    return Published(_written(graphs, origin, proof, options), proof)


def _written(graphs: Sam2Graphs, origin: Link, proof: Sam2Proof, options: Sam2Options) -> tuple[Path, Path]:
    """Both version folders; they are moved into place one after the other when both are complete."""
    targets = tuple(options.repository / name / options.version for name in contract.PROMPT_MODELS)
    with staging(targets[0]) as encoder, staging(targets[1]) as decoder:
        for folder, graph in zip((encoder, decoder), graphs, strict=True):
            content = graph.SerializeToString()
            (folder / SERVED_FILES["onnx"]).write_bytes(content)
            if options.runtime == "python":
                copy_python_backend(folder, TENSORS_ENTRY)
            add_configurations(folder.parent)
            chain = [origin, onnx_link(origin, graph, content, size=contract.PROMPT_SIZE)]
            asked = {"runtime": options.runtime, "proof": proof.to_dict()}
            write_version(folder, version=options.version, chain=chain, options=asked)
        for folder, target in zip((encoder, decoder), targets, strict=True):
            replace_folder(folder, target)
    return targets[0], targets[1]
