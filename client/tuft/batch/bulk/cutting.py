"""One photograph of a batch, from its item to its row: read, cut out, encode; patient with a server that is away."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft import imaging
from tuft.batch.bulk.results import DONE, Row
from tuft.batch.bulk.storage import Location
from tuft.batch.fetch import fetch
from tuft.client import Client
from tuft.errors import (
    CircuitOpenError,
    ImageTooLargeError,
    ModelUnavailableError,
    ServerBusyError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
    SetupError,
    StorageError,
    TuftError,
)
from tuft.text import shown

if TYPE_CHECKING:
    import threading

    from tuft.batch.bulk.options import BatchOptions
    from tuft.batch.bulk.sources import Item
    from tuft.cutout import Cutout
    from tuft.settings import Settings

# The server or the storage is away: no photograph is at fault, and it is asked again until the patience ends.
AWAY: Final = (ServerUnreachableError, CircuitOpenError, ServerBusyError, ModelUnavailableError, StorageError)
PATIENCE_S: Final = 300.0
_PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0)
_MESSAGE: Final = 500  # characters
_TIMEOUTS: Final = 3  # of one photograph, before it is a failure
_LOGGER: Final = logging.getLogger("tuft.batch")


@dataclass(frozen=True)
class Cut:
    """One photograph that has been worked on.

    Attributes:
        row: Its row; `output` is not known yet.
        data: The encoded cut-out; None if it failed.
    """

    row: Row
    data: bytes | None = field(default=None, repr=False)


class Cutter:
    """Cuts out the items of a batch; usable from many threads at once.

    Args:
        options: What is made of each photograph.
        settings: Of the client. No smaller preset serves: outputs must not depend on how busy the server was.
        patience_s: Seconds for which a server or storage may be away.
        stop: Once it is set, nothing is waited for any more.
    """

    def __init__(
        self,
        options: BatchOptions,
        settings: Settings,
        *,
        patience_s: float = PATIENCE_S,
        stop: threading.Event | None = None,
    ) -> None:
        self._options = options
        self._client = Client.from_settings(settings.overridden(fallback=False))
        self._patience_s = patience_s
        self._stop = stop
        self._waits = False

    @property
    def client(self) -> Client:
        """The client that it asks."""
        return self._client

    def cut(self, item: Item) -> Cut:
        """The cut-out of one photograph, or the row that says why there is none.

        Raises:
            ServerError: The server has been away for longer than the patience; the photograph has no row.
            StorageError: The storage has.
            SetupError: Something is not installed, which every photograph needs.
        """
        began_s = time.perf_counter()
        try:
            cutout, data = self._patiently(item)
        except (*AWAY, SetupError):
            raise
        except Exception as error:  # a defect of tuft or of a library must not lose the other photographs either
            return Cut(failed(item, error))
        row = Row(
            item.key,
            status=DONE,
            preset=cutout.preset,
            model=cutout.model,
            model_version=cutout.model_version,
            quality=cutout.quality_score,
            milliseconds=(time.perf_counter() - began_s) * 1e3,
        )
        return Cut(row, data)

    def close(self) -> None:
        """Closes the client."""
        self._client.close()

    def _patiently(self, item: Item) -> tuple[Cutout, bytes]:
        ends_s = time.monotonic() + self._patience_s
        timeouts = attempts = 0
        while True:
            try:
                made = self._made(item)
                self._waits = False
                return made
            except ServerTimeoutError:
                timeouts += 1
                if timeouts == _TIMEOUTS:
                    raise
            except AWAY as error:
                if time.monotonic() >= ends_s or self._stopped:
                    cause = _true_cause(error)
                    raise type(cause)(str(cause)) from error
                self._say(error)
            pause_s = _PAUSES_S[min(attempts, len(_PAUSES_S) - 1)]
            attempts += 1
            if self._stop is None:
                time.sleep(pause_s)
            else:
                self._stop.wait(pause_s)

    def _say(self, error: TuftError) -> None:
        """Says once why nothing happens; minutes without a word look like a program that hangs."""
        if not self._waits:
            self._waits = True
            _LOGGER.warning("%s Asked again for up to %g s.", _true_cause(error), self._patience_s)

    @property
    def _stopped(self) -> bool:
        return self._stop is not None and self._stop.is_set()

    def _made(self, item: Item) -> tuple[Cutout, bytes]:
        options, settings = self._options, self._client.settings
        source = self._source(item, settings.max_bytes)
        cutout = self._client.remove(source, options.preset, **options.of_request)
        limits = {"max_pixels": settings.max_pixels, "max_bytes": settings.max_bytes}
        exif = imaging.read_exif(source, **limits) if options.keep_metadata else None
        return cutout, options.output.apply(cutout).to_bytes(**options.of_encoding, exif=exif)

    def _source(self, item: Item, most_bytes: int) -> imaging.ImageSource:
        if item.error is not None:
            raise item.error
        if item.data is not None:
            return item.data
        assert item.path is not None
        if item.path.startswith(("http://", "https://")):
            return fetch(item.path, max_bytes=most_bytes)
        location = Location.of(item.path)
        if location.is_local:
            return Path(location.path)
        size = item.size if item.size is not None else location.size()
        if size > most_bytes:
            raise ImageTooLargeError(f"{location} has {size} bytes, more than the {most_bytes} allowed.")
        return location.read()


def _true_cause(error: TuftError) -> TuftError:
    """What opened the circuit, not that it is open."""
    cause = error.__cause__
    return cause if isinstance(error, CircuitOpenError) and isinstance(cause, ServerError) else error


def failed(item: Item, error: Exception | None) -> Row:
    """The row of a photograph without a cut-out."""
    return Row(item.key, error=type(error).__name__, message=shown(" ".join(str(error).split()), _MESSAGE))
