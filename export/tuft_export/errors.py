"""What can go wrong in the export stage; each message is one sentence that ends in the remedy.

TuftError
└── ExportError
    ├── AdoptError          somebody else's model, or what was said of it, that does not fit the wire contract
    ├── CheckpointError     weights that are missing, damaged, not the published ones, or of another shape
    ├── ParityError         an exported graph that does not compute what the network computes
    ├── EngineError         a TensorRT engine that cannot be built here, or does not compute what its graph computes
    └── PublishError        a model repository that cannot be filled as asked
"""

from __future__ import annotations

from tuft.errors import TuftError


class ExportError(TuftError):
    """Base of the export stage's errors."""


class AdoptError(ExportError):
    """Somebody else's model, or what was said of it, that does not fit the wire contract."""


class CheckpointError(ExportError):
    """Weights that are missing, damaged, not the published ones, or of another shape."""


class ParityError(ExportError):
    """An exported graph that does not compute what the network computes."""


class EngineError(ExportError):
    """A TensorRT engine that cannot be built here, or does not compute what its graph computes."""


class PublishError(ExportError):
    """A model repository that cannot be filled as asked."""
