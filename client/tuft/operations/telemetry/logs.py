"""One line of JSON for each request: who asked for what, who served, how it ended and what took how long.

Never in it: pixels, file names or contents, nor the key by which an experiment knows a customer.
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
    """Logs each request to the logger `tuft.requests`: INFO if it ended well, WARNING if not, or not as asked."""

    def request_started(self, request_id: str, requested: str) -> None:
        """There is nothing to say yet."""

    def request_finished(self, event: RequestEvent) -> None:
        """One record; a program's own handlers find its fields in the attribute `tuft`."""
        as_asked = event.outcome == OK and event.fallback_cause is None
        level = logging.INFO if as_asked else logging.WARNING
        LOGGER.log(level, "request %s: %s", event.request_id, event.outcome, extra={_FIELDS: fields(event)})


def fields(event: RequestEvent) -> dict[str, Any]:
    """What is logged of a request; docs/monitoring.md says what each field means. None is left out."""
    found = {
        "request_id": event.request_id,
        "requested": event.requested,
        "served": event.served,
        "model": event.model,
        "model_version": event.model_version,
        "outcome": event.outcome,
        "fallback_cause": event.fallback_cause,
        "fallback_reason": event.fallback_reason,
        "attempts": event.attempts,
        "retries": event.retries,
        "cache": event.cache,
        "quality_score": event.quality_score,
        "variant": event.variant,
        "size_hw": event.size_hw,
        "total_ms": round(event.total_ms, 1),
        "stage_ms": {stage: round(milliseconds, 1) for stage, milliseconds in event.milliseconds.items()},
    }
    return {name: value for name, value in found.items() if value is not None}


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON: time (UTC), level, logger, message, and the fields of a request."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
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
    """Sends what tuft logs to one place, as lines of JSON; another place is added, the same one is not.

    Args:
        target: `stderr`, or a file to append to; a file that logrotate moves away is opened anew.

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
    """JSON has no NaN and no infinity."""
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
