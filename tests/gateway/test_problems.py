"""Every error of tuft has an answer, and the answer says what the caller may know."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tuft import errors
from tuft_gateway.problems import CODES, ApiError, OncePerMinute, api_error

# What a caller can do about each: correct the picture, correct the request, wait, or tell the operator.
ANSWERS = {
    "TuftError": (500, "internal_error"),
    "ImageError": (400, "failed_to_read_image"),
    "NotAnImageError": (400, "invalid_file_type"),
    "ImageNotFoundError": (400, "invalid_file_type"),
    "ImageTooLargeError": (400, "resolution_too_high"),
    "TruncatedImageError": (400, "failed_to_read_image"),
    "NoSubjectError": (400, "unknown_foreground"),
    "OptionError": (400, "invalid_parameter"),
    "PromptError": (400, "invalid_tuft_prompt"),
    "OutputError": (500, "internal_error"),
    "StorageError": (500, "internal_error"),
    "ServerError": (503, "unavailable"),
    "ServerUnreachableError": (503, "unavailable"),
    "ServerTimeoutError": (503, "unavailable"),
    "ServerBusyError": (429, "too_busy"),
    "ServerOutOfMemoryError": (503, "unavailable"),
    "ModelUnavailableError": (503, "unavailable"),
    "PromptModelMissingError": (400, "tuft_points_unavailable"),
    "CircuitOpenError": (503, "unavailable"),
    "ContractError": (502, "model_failed"),
    "InferenceError": (502, "model_failed"),
    "RequestCancelledError": (503, "unavailable"),
    "SetupError": (500, "internal_error"),
    "IntegrityError": (500, "internal_error"),
}


def tree(root: type[errors.TuftError]) -> Iterator[type[errors.TuftError]]:
    yield root
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from tree(kind)


def test_the_answers_are_known_for_the_whole_tree() -> None:
    """A new class of tuft's tree fails here until somebody has decided what callers are told."""
    assert {kind.__name__ for kind in tree(errors.TuftError)} == ANSWERS.keys()


@pytest.mark.parametrize("kind", list(tree(errors.TuftError)), ids=lambda kind: kind.__name__)
def test_each_error_has_its_status_and_code(kind: type[errors.TuftError], caplog: pytest.LogCaptureFixture) -> None:
    answer = api_error(kind("the cause, in /srv/models/secret at 10.0.0.7"))
    assert (answer.status, answer.code) == ANSWERS[kind.__name__]
    told = answer.to_dict()
    (problem,) = told["errors"]  # type: ignore[misc]
    assert problem["title"] == CODES[answer.code][1]
    # What concerns only the operator stays inside; what the caller can correct is said.
    assert ("detail" in problem) == (answer.status == 400)
    logged = answer.status != 400 and kind is not errors.RequestCancelledError
    assert caplog.messages == ([f"{answer.code}: the cause, in /srv/models/secret at 10.0.0.7"] if logged else [])
    assert ("Retry-After" in answer.headers) == (answer.status in (429, 503))


def test_each_kind_is_logged_once_in_a_while() -> None:
    def passes(seldom: OncePerMinute, code: str, cause: str) -> bool:
        return seldom.filter(logging.LogRecord("", 0, "", 0, "%s: %s", (code, cause), None))

    seldom = OncePerMinute()
    assert passes(seldom, "unavailable", "down")
    assert not passes(seldom, "unavailable", "down on another port")
    assert passes(seldom, "model_failed", "down")
    assert all(passes(OncePerMinute(0.0), "unavailable", "down") for _ in range(2))


def test_codes_have_statuses_of_their_kind() -> None:
    for code, (status, title) in CODES.items():
        assert 400 <= status < 600
        assert title
        assert ApiError(code).to_dict() == {"errors": [{"title": title, "code": code}]}
