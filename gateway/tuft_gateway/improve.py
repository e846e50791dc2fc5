"""`POST /v1.0/improve`: a customer's bad result, kept with its picture, its request and its rating."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from fastapi import APIRouter, Request, Response

from tuft.errors import TuftError
from tuft.files import make_folder, write_atomically
from tuft_gateway.accounts.meter import AccountMeter
from tuft_gateway.cutting import answered
from tuft_gateway.problems import ApiError, api_error
from tuft_gateway.removebg.fields import photograph_from_form
from tuft_gateway.removebg.route import source_content
from tuft_gateway.sending import BoundedResponse

if TYPE_CHECKING:
    from tuft.operations.experiments import Recorder
    from tuft_gateway.bodies import Form
    from tuft_gateway.cutting import Cutting
    from tuft_gateway.service import Service

MAX_FILE_BYTES: Final = 12 * 2**20  # remove.bg's limit
MAX_TEXT: Final = 2000
_SOURCES: Final = ("image_file", "image_file_b64", "image_url")
_RATINGS: Final = ("1", "2", "3", "4", "5")


@dataclass(frozen=True)
class Report:
    """A customer's report.

    Attributes:
        account: The key's id; empty on a gateway without keys.
        request_id: The request that it is about, `X-Tuft-Request-Id` of its answer; empty if not told.
        rating: 1 to 5; None if not told.
        image_filename: The customer's name for the picture.
        tag: The customer's label.
        error_type: What is wrong, such as `foreground-parts-missing`.
        error_description: The same in the customer's words.
    """

    account: str
    request_id: str
    rating: int | None
    image_filename: str
    tag: str
    error_type: str
    error_description: str


class ReportStore:
    """Keeps reports in a folder: `ID.json`, and the picture as it came as `ID.picture`.

    Args:
        folder: Made with the first report, for its owner only: it holds customers' pictures.
        recorder: Records ratings for an experiment, too.
    """

    def __init__(self, folder: Path, recorder: Recorder | None = None) -> None:
        self._folder = folder
        self._recorder = recorder

    def keep(self, report: Report, picture: bytes) -> str:
        """Keeps a report and returns its id.

        Raises:
            OutputError: It cannot be written.
        """
        report_id = f"{time.strftime('%Y%m%d', time.gmtime())}-{secrets.token_hex(8)}"
        make_folder(self._folder, private=True)
        if picture:
            write_atomically(self._folder / f"{report_id}.picture", picture)
        told = {"id": report_id, "reported_s": int(time.time()), **asdict(report)}
        write_atomically(self._folder / f"{report_id}.json", json.dumps(told, indent=2).encode())
        if self._recorder is not None and report.request_id and report.rating is not None:
            self._recorder.rate(report.request_id, report.rating)
        return report_id


def router(service: Service, store: ReportStore) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.post("/v1.0/improve", summary="Report a bad result")
    async def improve(request: Request) -> Response:
        return await answered(service, request, partial(_answer, store=store))

    return routes


async def _answer(cutting: Cutting, form: Form, *, store: ReportStore) -> BoundedResponse:
    service, caller = cutting.service, cutting.caller
    report = report_from_form(form, caller.account)
    picture = await _picture(cutting, form, report)
    if isinstance(service.meter, AccountMeter):
        await service.meter.count_report(caller)
    try:
        report_id = await anyio.to_thread.run_sync(lambda: store.keep(report, picture))
    except TuftError as error:
        raise api_error(error) from error
    body, timeout_s = json.dumps({"id": report_id}).encode(), service.options.answer_timeout_s
    return BoundedResponse(body, media_type="application/json", timeout_s=timeout_s)


def report_from_form(form: Form, account: str) -> Report:
    """The report in a form.

    Raises:
        ApiError: A text is too long, or the rating is none.
    """
    rating = form.fields.get("tuft_rating")
    if rating is not None and rating not in _RATINGS:
        raise ApiError("invalid_parameter", "tuft_rating is 1, 2, 3, 4 or 5.")
    texts = ("image_filename", "tag", "error_type", "error_description")
    values = {name: _text(form, name) for name in ("tuft_request_id", *texts)}
    request_id = values.pop("tuft_request_id")
    return Report(account, request_id, None if rating is None else int(rating), **values)


def _text(form: Form, name: str) -> str:
    text = form.fields.get(name, "")
    if len(text) > MAX_TEXT:
        raise ApiError("invalid_parameter", f"{name} may have {MAX_TEXT} characters: shorten it.")
    return text


async def _picture(cutting: Cutting, form: Form, report: Report) -> bytes:
    """The picture, as it came: it is not decoded. A rating of a known request needs none."""
    if report.request_id and not any(name in form.fields or name in form.files for name in _SOURCES):
        return b""
    picture = await source_content(cutting, photograph_from_form(form), "failed_image_download")
    if len(picture) > MAX_FILE_BYTES:
        raise ApiError("file_too_large", f"A reported picture may have {MAX_FILE_BYTES >> 20} MB: send a smaller one.")
    return picture
