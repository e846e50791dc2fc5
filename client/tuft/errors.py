"""The tree of all errors that tuft raises. Each message is one sentence that ends with the remedy.

TuftError
├── ImageError                   the input image
│   ├── NotAnImageError          not an image in a format that tuft reads
│   │   └── ImageNotFoundError   there is no such file
│   ├── ImageTooLargeError       more pixels or bytes than allowed, or too much time or memory to decode
│   ├── TruncatedImageError      the file is damaged or incomplete
│   └── NoSubjectError           the network found no subject
├── OptionError                  a preset, colour, format or setting that does not exist
│   └── PromptError              a prompt that is none, is empty, or does not fit the picture
├── OutputError                  the result cannot be written to its destination
├── StorageError                 a bucket, or the connection to it
├── ServerError                  the model server, or the connection to it
│   ├── ServerUnreachableError   nothing answers at that address
│   ├── ServerTimeoutError       no answer within the time limit
│   ├── ServerBusyError          the queue is full, or the request waited in it for too long
│   ├── ServerOutOfMemoryError   the server does not have enough memory for this size
│   ├── ModelUnavailableError    the server does not serve the model that the preset needs
│   │   └── PromptModelMissingError  nor one that takes points
│   ├── CircuitOpenError         the model has failed so often that no requests are sent for a while
│   ├── ContractError            the model's tensors differ from tuft's contract
│   └── InferenceError           the model failed for another reason, which the message quotes
├── RequestCancelledError        the caller cancelled the request
└── SetupError                   something that tuft needs is not installed or not built
    └── IntegrityError           a published file differs from its provenance record
"""

from __future__ import annotations

from typing import Final

_MOST_CHARACTERS: Final = 2_000


class TuftError(Exception):
    """Base of all errors that tuft raises on purpose.

    Messages quote what callers and servers have given: as text, one has at most 2,000 characters, the first and the
    last of a longer one.
    """

    def __str__(self) -> str:
        text = super().__str__()
        if len(text) <= _MOST_CHARACTERS:
            return text
        return f"{text[: _MOST_CHARACTERS // 2]} … {text[3 - _MOST_CHARACTERS // 2 :]}"


class ImageError(TuftError):
    """The input image cannot be used."""


class NotAnImageError(ImageError):
    """The input is not an image in a format that tuft reads."""


class ImageNotFoundError(NotAnImageError, FileNotFoundError):
    """There is no such file; a `NotAnImageError` too, for programs that catch that for any wrong path."""


class ImageTooLargeError(ImageError):
    """The image has more pixels or bytes than allowed, or takes too much time or memory to decode."""


class TruncatedImageError(ImageError):
    """The image file is damaged or incomplete."""


class NoSubjectError(ImageError):
    """The network found no subject; a cut-out would be noise, scaled to the full range."""


class OptionError(TuftError, ValueError):
    """A preset, colour, format or setting that does not exist."""


class PromptError(OptionError):
    """A prompt that is none, is empty, or does not lie in the picture."""


class OutputError(TuftError):
    """The result cannot be written to its destination."""


class StorageError(TuftError):
    """A bucket or a folder of photographs cannot be read now; a missing photograph is an `ImageNotFoundError`."""


class ServerError(TuftError):
    """The model server, or the connection to it, failed.

    Attributes:
        transient: Whether the same request is likely to succeed if it is sent again shortly.
    """

    transient = False


class ServerUnreachableError(ServerError):
    """There is no connection to the server: the message says whether it, TLS, the name or a proxy is the cause."""

    transient = True


class ServerTimeoutError(ServerError, TimeoutError):
    """The server did not answer within the time limit."""


class ServerBusyError(ServerError):
    """The server's queue is full, or the request waited in it for too long."""


class ServerOutOfMemoryError(ServerError):
    """The server does not have enough memory for this working size."""


class ModelUnavailableError(ServerError):
    """The server does not serve the model that the preset needs."""


class PromptModelMissingError(ModelUnavailableError):
    """The server serves no model that takes points."""


class CircuitOpenError(ServerError):
    """The model has failed so often in a row that no requests are sent for a while; the cause is the last failure."""


class ContractError(ServerError):
    """The tensors of the served model differ from `tuft.contract`."""


class InferenceError(ServerError):
    """The model failed for a reason without a class of its own; the message quotes the server."""


class RequestCancelledError(TuftError):
    """The caller cancelled the request before its answer came."""


class SetupError(TuftError):
    """Something that tuft needs is not installed or not built."""


class IntegrityError(SetupError):
    """A published file differs from its provenance record; the message names the file."""
