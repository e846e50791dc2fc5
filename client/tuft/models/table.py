"""The rows as the table of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuft.models.known import NotExported, OwnCheckpoint
from tuft.models.rows import MODELS

if TYPE_CHECKING:
    from tuft.models.known import KnownModel


def markdown_table() -> str:
    """Every known model with its licence, as Markdown."""
    head = "| name | for | pixels | MB | licence of the weights | hash |\n|---|---|---:|---:|---|---|\n"
    return head + "\n".join(map(_row, MODELS.values()))


def _row(model: KnownModel) -> str:
    licence = model.licence.name if model.licence.is_commercial else f"**{model.licence.name}**"
    terms = f"{licence}: {model.licence.terms}" if model.licence.terms else licence
    cells = (f"`{model.name}`", model.task, str(model.size), str(model.megabytes), terms, _hash(model))
    return f"| {' | '.join(cells)} |"


def _hash(model: KnownModel) -> str:
    if isinstance(model.origin, NotExported):
        return "no ONNX file"
    algorithm = (model.published_hash or "").partition(":")[0]
    own = ", exported here" if isinstance(model.origin, OwnCheckpoint) else ""
    return (algorithm or "recorded at first arrival") + own
