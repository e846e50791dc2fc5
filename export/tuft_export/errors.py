"""Errors of the export stage; each message is one sentence that ends in the remedy.

TuftError
└── ExportError
    ├── AdoptError          a third-party model, or an option for it, does not fit the wire contract
    ├── CheckpointError     weights are missing, damaged, not the published ones, or of another shape
    ├── ParityError         an exported graph does not compute the same as its network
    ├── EngineError         a TensorRT engine cannot be built here, or does not compute the same as its graph
    └── PublishError        a model repository cannot be filled as requested
"""

from __future__ import annotations

from tuft.errors import TuftError


class ExportError(TuftError):
    """Base of the export stage's errors."""


class AdoptError(ExportError):
    """A third-party model, or an option for it, does not fit the wire contract."""


class CheckpointError(ExportError):
    """Weights are missing, damaged, not the published ones, or of another shape."""


class ParityError(ExportError):
    """An exported graph does not compute the same as its network."""


class EngineError(ExportError):
    """A TensorRT engine cannot be built here, or does not compute the same as its graph."""


class PublishError(ExportError):
    """A model repository cannot be filled as requested."""
