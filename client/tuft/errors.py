"""Everything that can go wrong, as a tree. Each message is one sentence that ends in the remedy.

TuftError
├── ImageError                   the picture given
│   ├── NotAnImageError          the bytes are no picture that tuft reads
│   │   └── ImageNotFoundError   there is no such file
│   ├── ImageTooLargeError       more pixels or bytes than allowed, or takes more time or memory to decode
│   ├── TruncatedImageError      the file ends before the picture does
│   └── NoSubjectError           the network found nothing in front
├── OptionError                  a preset, colour, format or setting that does not exist
├── OutputError                  the result cannot be written where it was asked for
├── ServerError                  the model server, or the way to it
│   ├── ServerUnreachableError   nothing answers at that address
│   ├── ServerTimeoutError       no answer within the time allowed
│   ├── ServerBusyError          the queue is full, or the request waited in it for too long
│   ├── ServerOutOfMemoryError   the server has not the memory for this size
│   ├── ModelUnavailableError    the server does not serve the model that the preset needs
│   ├── CircuitOpenError         the model has failed so often that it is not asked for a while
│   ├── ContractError            the model takes or gives other tensors than tuft's
│   └── InferenceError           the model failed for another reason, which the message quotes
├── RequestCancelledError        the caller cancelled the request
└── SetupError                   something tuft needs is not installed or not built
    └── IntegrityError           a published file is not, or no longer, what its provenance says
"""

from __future__ import annotations


class TuftError(Exception):
    """Base of all errors that tuft raises on purpose."""


class ImageError(TuftError):
    """The picture given cannot be used."""


class NotAnImageError(ImageError):
    """The bytes are no picture that tuft reads."""


class ImageNotFoundError(NotAnImageError, FileNotFoundError):
    """There is no such file; a `NotAnImageError` too, for programs that catch that for any wrong path."""


class ImageTooLargeError(ImageError):
    """The picture has more pixels or bytes than allowed, or takes more time or memory to decode."""


class TruncatedImageError(ImageError):
    """The file ends before the picture does, or is damaged."""


class NoSubjectError(ImageError):
    """The network found nothing in front: a cut-out would be noise stretched to full range."""


class OptionError(TuftError, ValueError):
    """A preset, colour, format or setting that does not exist."""


class OutputError(TuftError):
    """The result cannot be written where it was asked for."""


class ServerError(TuftError):
    """The model server, or the way to it, failed.

    Attributes:
        transient: Whether the same request may well succeed when it is sent again in a moment.
    """

    transient = False


class ServerUnreachableError(ServerError):
    """Nothing answers at the server's address."""

    transient = True


class ServerTimeoutError(ServerError, TimeoutError):
    """No answer came within the time allowed."""


class ServerBusyError(ServerError):
    """The server's queue is full, or the request waited in it for too long."""


class ServerOutOfMemoryError(ServerError):
    """The server has not enough memory for this working size."""


class ModelUnavailableError(ServerError):
    """The server does not serve the model that the preset needs."""


class CircuitOpenError(ServerError):
    """The model has failed so often in a row that it is not asked for a while; its cause is the last failure."""


class ContractError(ServerError):
    """The served model takes or gives other tensors than `tuft.contract` says."""


class InferenceError(ServerError):
    """The model failed for a reason with no class of its own; the message quotes the server."""


class RequestCancelledError(TuftError):
    """The caller cancelled the request before its answer came."""


class SetupError(TuftError):
    """Something that tuft needs is not installed or not built."""


class IntegrityError(SetupError):
    """A published file is not, or no longer, what its provenance says; the message names the file."""
