"""`POST /v1.0/removebg`."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from tuft.errors import OptionError
from tuft_gateway.cutting import Asked, Cutting, answered, tuft_headers
from tuft_gateway.problems import ApiError
from tuft_gateway.removebg import answers
from tuft_gateway.removebg.fields import checked_roi, request_from_form
from tuft_gateway.removebg.openapi import OPERATION
from tuft_gateway.removebg.rendering import render
from tuft_gateway.sending import BoundedResponse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuft import Cutout
    from tuft_gateway.bodies import Form
    from tuft_gateway.removebg.fields import RemoveBgRequest, Source
    from tuft_gateway.removebg.rendering import Rendered
    from tuft_gateway.service import Service


def router(service: Service) -> APIRouter:
    """The route of remove.bg's protocol."""
    routes = APIRouter(tags=["remove.bg's protocol"])

    @routes.post("/v1.0/removebg", summary="Remove the background of a photograph", openapi_extra=dict(OPERATION))
    async def removebg(request: Request) -> Response:
        as_json = answers.wants_json(request.headers.get("accept", ""))
        return await answered(service, request, partial(_answer, as_json=as_json))

    return routes


async def _answer(cutting: Cutting, form: Form, *, as_json: bool) -> BoundedResponse:
    request = request_from_form(form)
    content = await source_content(cutting, request.source, "failed_image_download")
    behind = None
    if request.background is not None:
        behind = await source_content(cutting, request.background, "failed_bg_download")
    async with cutting.turn(), AsyncExitStack() as stack:
        photo = await cutting.photo(content)
        background = None if behind is None else (await cutting.photo(behind)).rgb
        asked = Asked(
            request.preset,
            request.model,
            request.refine,
            checked_roi(request.roi, photo),
            request.prompt,
            preview=request.preview,
        )
        try:
            charge = await stack.enter_async_context(cutting.charged(photo, asked))
        except ApiError as error:
            if error.code != "insufficient_credits" or request.size != "auto":
                raise
            request, asked = replace(request, size="preview"), replace(asked, preview=True)
            charge = await stack.enter_async_context(cutting.charged(photo, asked))

        def work() -> tuple[Rendered, bytes, dict[str, str]]:
            cutout = cutting.cut_out(photo, asked)
            rendered = _rendered(cutout, request, background)
            body = answers.json_content(rendered) if as_json else rendered.content
            return rendered, body, tuft_headers(cutout)

        rendered, body, told = await cutting.run(work)
    headers = {**answers.headers(rendered, request), **told, **cutting.charge_headers(charge)}
    return BoundedResponse(
        body,
        media_type="application/json" if as_json else rendered.media_type,
        headers=headers,
        timeout_s=cutting.service.options.answer_timeout_s,
        after=charge.settle,
    )


async def source_content(cutting: Cutting, source: Source, code: str) -> bytes:
    """The bytes of a picture, fetched if need be.

    Raises:
        ApiError: `code`, it cannot be fetched.
    """
    return await cutting.fetched(source.url, code) if source.url else source.content


def _rendered(cutout: Cutout, request: RemoveBgRequest, background: NDArray[np.uint8] | None) -> Rendered:
    try:
        return render(cutout, request, background)
    except OptionError as exc:  # the fields have been validated: what is left is a side too long for the format
        raise ApiError("invalid_dimensions", str(exc)) from exc
