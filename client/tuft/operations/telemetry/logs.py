"""A JSON log with one line for each request: the preset requested and served, the model, the outcome and the times.

It never contains pixels, file names or contents, nor the key by which an experiment identifies a customer.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import math
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from tuft.errors import OptionError
from tuft.inference.observers import OK, Observer

if TYPE_CHECKING:
    from tuft.inference.observers import RequestEvent

LOGGER: Final = logging.getLogger("tuft.requests")
STDERR: Final = "stderr"
_FIELDS: Final = "tuft"  # the attribute of a log record that carries a request's fields


class RequestLog(Observer):
    """Logs each request to `tuft.requests`: INFO if it was served as requested, WARNING if it failed or fell back."""

    def request_started(self, request_id: str, requested: str) -> None:
        """Logs nothing: a request is logged when it has finished."""

    def request_finished(self, event: RequestEvent) -> None:
        """Logs one record; its attribute `tuft` holds the fields, for handlers of the program's own."""
        as_requested = event.outcome == OK and event.fallback_cause is None
        level = logging.INFO if as_requested else logging.WARNING
        LOGGER.log(level, "request %s: %s", event.request_id, event.outcome, extra={_FIELDS: fields(event)})


def fields(event: RequestEvent) -> dict[str, Any]:
    """The fields that are logged of a request, without those that are unknown; docs/monitoring.md describes them."""
    known = event.to_dict()
    stage_ms = {stage: round(milliseconds, 1) for stage, milliseconds in known.pop("milliseconds").items()}
    return {**known, "total_ms": round(event.total_ms, 1), "stage_ms": stage_ms}


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: time (UTC), level, logger, message, and the fields of a request."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, even if its message has several."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(_without_nan(line), allow_nan=False, default=str)


def log_to(target: str) -> logging.Handler:
    """Adds a handler that writes tuft's log as lines of JSON, unless there is one for the same target already.

    Args:
        target: `stderr`, or a file to append to; the file is reopened when logrotate has moved it away.

    Returns:
        The handler, for `logging.getLogger("tuft").removeHandler`.

    Raises:
        OptionError: The file cannot be written.
    """
    logger = logging.getLogger("tuft")
    name = f"tuft log to {target}"
    known = next((handler for handler in logger.handlers if handler.name == name), None)
    if known is not None:
        return known
    handler = _handler(target)
    handler.name = name
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    return handler


def _handler(target: str) -> logging.Handler:
    if target == STDERR:
        return logging.StreamHandler(sys.stderr)
    try:
        return logging.handlers.WatchedFileHandler(target, encoding="utf-8")
    except OSError as exc:
        raise OptionError(
            f"The log {target} cannot be written ({exc.strerror}): set TUFT_LOG to stderr or to a file in a folder "
            "that exists."
        ) from exc


def _without_nan(value: Any) -> Any:
    """Replaces NaN and infinity, which JSON does not have, by None."""
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
