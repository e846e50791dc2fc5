"""The errors that a caller can get: remove.bg's codes, and which of them answers each error of tuft."""

from __future__ import annotations

import logging
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tuft import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

LOG: Final = logging.getLogger("tuft_gateway")
RETRY_AFTER_S: Final = 2  # a photograph takes seconds: later is not sooner

# From each code to its status and its title. The first block is remove.bg's, the second the gateway's own.
CODES: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "failed_bg_download": (400, "Failed to download the background image"),
        "failed_image_download": (400, "Failed to download the image"),
        "failed_to_read_image": (400, "Failed to read the image"),
        "file_too_large": (400, "File too large"),
        "invalid_bg_color": (400, "Invalid bg_color parameter given"),
        "invalid_bg_image_url": (400, "Invalid bg_image_url parameter given"),
        "invalid_channels": (400, "Invalid channels parameter given"),
        "invalid_crop_margin": (400, "Invalid crop_margin parameter given"),
        "invalid_dimensions": (400, "Invalid dimensions"),
        "invalid_file_type": (400, "Invalid file type"),
        "invalid_format": (400, "Invalid format parameter given"),
        "invalid_image_url": (400, "Invalid image_url parameter given"),
        "invalid_position": (400, "Invalid position parameter given"),
        "invalid_roi": (400, "Invalid roi parameter given"),
        "invalid_scale": (400, "Invalid scale parameter given"),
        "invalid_semitransparency": (400, "Invalid semitransparency parameter given"),
        "invalid_size": (400, "Invalid size parameter given"),
        "missing_source": (400, "No image given"),
        "multiple_bg_sources": (400, "Multiple background sources given"),
        "multiple_sources": (400, "Multiple image sources given"),
        "resolution_too_high": (400, "Image resolution too high"),
        "roi_exceeds_bounds": (400, "The roi exceeds the bounds of the image"),
        "roi_region_empty": (400, "The roi is empty"),
        "unknown_foreground": (400, "Could not identify foreground in image"),
        "insufficient_credits": (402, "Insufficient credits"),
        "auth_failed": (403, "API Key invalid"),
        "rate_limit_exceeded": (429, "Rate limit exceeded"),
        # Fields that remove.bg has no code for, and bodies that are none.
        "invalid_type": (400, "Invalid type parameter given"),
        "invalid_type_level": (400, "Invalid type_level parameter given"),
        "invalid_crop": (400, "Invalid crop parameter given"),
        "invalid_add_shadow": (400, "Invalid add_shadow parameter given"),
        "invalid_shadow_type": (400, "Invalid shadow_type parameter given"),
        "invalid_shadow_opacity": (400, "Invalid shadow_opacity parameter given"),
        "invalid_tuft_preset": (400, "Invalid tuft_preset parameter given"),
        "invalid_tuft_model": (400, "Invalid tuft_model parameter given"),
        "invalid_tuft_refine": (400, "Invalid tuft_refine parameter given"),
        "invalid_tuft_points": (400, "Invalid tuft_points parameter given"),
        "invalid_tuft_box": (400, "Invalid tuft_box parameter given"),
        "invalid_tuft_prompt": (400, "The prompt does not fit the image"),
        "tuft_points_unavailable": (400, "This service takes no points"),
        "invalid_request": (400, "Invalid HTTP request"),
        "invalid_body": (400, "Invalid request body"),
        "invalid_parameter": (400, "Invalid parameter given"),
        "forbidden_origin": (403, "Requests from this web page are not allowed"),
        "not_found": (404, "Not found"),
        "not_ready": (409, "The result is not ready"),
        "method_not_allowed": (405, "Method not allowed"),
        "body_timeout": (408, "The request did not arrive in time"),
        "unsupported_media_type": (415, "Unsupported content type"),
        "client_closed_request": (499, "The client has closed the request"),
        "too_busy": (429, "Too many requests at once"),
        "internal_error": (500, "Internal error"),
        "model_failed": (502, "The model failed"),
        "unavailable": (503, "The service is not available at the moment"),
    }
)

# The most specific class wins, and every class of tuft's tree has one: a test walks it.
_CODE_OF_ERROR: Final[Mapping[type[errors.TuftError], str]] = MappingProxyType(
    {
        errors.TuftError: "internal_error",
        errors.ImageError: "failed_to_read_image",
        errors.NotAnImageError: "invalid_file_type",
        errors.ImageTooLargeError: "resolution_too_high",
        errors.TruncatedImageError: "failed_to_read_image",
        errors.NoSubjectError: "unknown_foreground",
        errors.OptionError: "invalid_parameter",
        errors.PromptError: "invalid_tuft_prompt",
        errors.OutputError: "internal_error",
        errors.ServerError: "unavailable",
        errors.ServerBusyError: "too_busy",
        errors.PromptModelMissingError: "tuft_points_unavailable",
        errors.ContractError: "model_failed",
        errors.InferenceError: "model_failed",
        errors.RequestCancelledError: "unavailable",
        errors.SetupError: "internal_error",
    }
)
# The operator's mistakes are for the operator's log, not for strangers: they name paths and addresses.
_PRIVATE: Final = frozenset({"internal_error", "model_failed", "unavailable", "too_busy"})


class ApiError(Exception):
    """An error that the caller is told.

    Attributes:
        code: One of `CODES`.
        detail: One sentence with the remedy; None if the title says it all.
        headers: Further headers of the answer.
    """

    def __init__(self, code: str, detail: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail or CODES[code][1])
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        if self.status in (429, 503):
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))

    @property
    def status(self) -> int:
        """The status of HTTP."""
        return CODES[self.code][0]

    def to_dict(self) -> dict[str, object]:
        """The body of the answer: `{"errors": [{"title", "code", "detail"?}]}`."""
        told = {"title": CODES[self.code][1], "code": self.code, **({"detail": self.detail} if self.detail else {})}
        return {"errors": [told]}


def api_error(error: errors.TuftError) -> ApiError:
    """What a caller is told of an error of tuft; the log is told what only the operator can mend."""
    code = next(_CODE_OF_ERROR[kind] for kind in type(error).__mro__ if kind in _CODE_OF_ERROR)
    if code not in _PRIVATE:
        return ApiError(code, str(error))
    if not isinstance(error, errors.RequestCancelledError):
        LOG.warning("%s: %s", code, error)
    return ApiError(code)


class OncePerMinute(logging.Filter):
    """Lets each kind of record of `LOG` through once a minute, so that callers cannot fill the log."""

    def __init__(self, pause_s: float = 60.0) -> None:
        super().__init__()
        self._pause_s = pause_s
        self._last_s: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the last record with this message and first argument, the code, is old enough."""
        kind = (record.msg, record.args[0] if isinstance(record.args, tuple) and record.args else None)
        now_s = time.monotonic()
        if now_s - self._last_s.get(kind, -self._pause_s) < self._pause_s:
            return False
        self._last_s[kind] = now_s
        return True
