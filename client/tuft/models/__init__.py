"""Published models by name: where their files are, how they want their input, and what their licences allow.

`known` defines a row, `rows` holds them. Nothing is downloaded here: `tuft models pull NAME` does that.
"""

from __future__ import annotations

from tuft.models.known import (
    ACTIVATIONS,
    Activation,
    Download,
    KnownModel,
    Licence,
    NotExported,
    NpmFile,
    Origin,
    OwnCheckpoint,
)
from tuft.models.rows import ALIASES, MODELS, model_from_name, pulling

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "MODELS",
    "Activation",
    "Download",
    "KnownModel",
    "Licence",
    "NotExported",
    "NpmFile",
    "Origin",
    "OwnCheckpoint",
    "model_from_name",
    "pulling",
]
