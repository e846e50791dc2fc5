"""What can go wrong in the export stage; each message is one sentence that ends in the remedy.

TuftError
└── ExportError
    ├── CheckpointError     weights that are missing, damaged, not the published ones, or of another shape
    ├── ParityError         an exported graph that does not compute what the network computes
    └── PublishError        a model repository that cannot be filled as asked
"""

from __future__ import annotations

from tuft.errors import TuftError


class ExportError(TuftError):
    """Base of the export stage's errors."""


class CheckpointError(ExportError):
    """Weights that are missing, damaged, not the published ones, or of another shape."""


class ParityError(ExportError):
    """An exported graph that does not compute what the network computes."""


class PublishError(ExportError):
    """A model repository that cannot be filled as asked."""
