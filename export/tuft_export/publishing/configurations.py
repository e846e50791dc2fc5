"""Triton's configurations of tuft's own models: in the wheel, or in `model_repository` of a checkout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft import contract
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

_WHY: Final = "# Clients ask the model of this size instead: the checkpoint gains nothing from more."
_STATED: Final = re.compile(rf'{_WHY}\nparameters \{{ key: "{contract.BEST_SIZE_PARAMETER}" [^\n]*\n')

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


def state_best_size(model_folder: Path, best_size: int | None, version: str) -> None:
    """States in a model's configurations above which working size the checkpoint of a version gains nothing.

    Versions share them. Where others are there, of which the same is not stated, nothing is.

    Args:
        model_folder: Named as the model.
        best_size: In pixels; None if it gains from this model's size.
        version: The version that is being published.

    Raises:
        OutputError: The folder cannot be written.
    """
    line = f'{_WHY}\nparameters {{ key: "{contract.BEST_SIZE_PARAMETER}" value: {{ string_value: "{best_size}" }} }}\n'
    others = any(folder.name != version for folder in model_folder.glob("[1-9]*"))
    for file in FILES:
        path = model_folder / file
        if not path.is_file():
            continue
        text = path.read_text()
        bare = _STATED.sub("", text)
        stated = bare + line if best_size is not None and (not others or line in text) else bare
        if stated != text:
            write_atomically(path, stated.encode())
