"""Triton's configurations of tuft's own models: in the wheel, or in `model_repository` of a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

# The first is TensorRT's, tritonserver's default.
FILES: Final[Sequence[str]] = (
    "config.pbtxt",
    "configs/onnxruntime.pbtxt",
    "configs/openvino.pbtxt",
    "configs/python.pbtxt",
)

_PACKAGE: Final = Path(__file__).parents[1]


def shipped_configurations(model: str) -> Path:
    """The folder that holds FILES of one of tuft's own models.

    Args:
        model: One of `tuft.contract.OWN_MODELS`.
    """
    in_wheel = _PACKAGE / "configurations" / model
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parents[1] / "model_repository" / model


def add_configurations(model_folder: Path) -> None:
    """Writes the configurations of one of tuft's own models, unless its folder has any: they may have been edited.

    A model that a runtime cannot serve has none for it.

    Args:
        model_folder: Named as the model.

    Raises:
        OutputError: The folder cannot be written.
    """
    if (model_folder / FILES[0]).exists():
        return
    source = shipped_configurations(model_folder.name)
    (model_folder / "configs").mkdir(exist_ok=True)
    files = [file for file in FILES if (source / file).is_file()]
    for file in reversed(files):  # the first, which says that all are there, comes last
        write_atomically(model_folder / file, (source / file).read_bytes())
