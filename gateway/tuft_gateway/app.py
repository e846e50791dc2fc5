"""The application: joins the protocols, the operator's endpoints and the page."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

import tuft
from tuft_gateway import health, removebg
from tuft_gateway.browsers import BrowserPolicy
from tuft_gateway.metering import FreeMeter
from tuft_gateway.options import GatewayOptions
from tuft_gateway.problems import ApiError
from tuft_gateway.service import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tuft import Client
    from tuft_gateway.metering import Meter

PAGE: Final = Path(__file__).parent / "page"


def create_app(client: Client, options: GatewayOptions | None = None, meter: Meter | None = None) -> FastAPI:
    """The application, for any server of ASGI.

    Args:
        client: Cuts out; closed with the application.
        options: Limits.
        meter: Says who may ask, and charges; by default only this machine may, free of charge.
    """
    service = Service(client, FreeMeter() if meter is None else meter, options or GatewayOptions())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(service.close)

    app = FastAPI(title="tuft", version=tuft.__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    app.add_exception_handler(ApiError, _told)
    app.add_exception_handler(HTTPException, _told_by_status)
    app.add_middleware(BrowserPolicy, open_to_all=service.has_keys)
    app.include_router(removebg.router(service))
    app.include_router(health.router(service))
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    return app


async def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.to_dict(), error.status, error.headers)


async def _told_by_status(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = "method_not_allowed" if error.status_code == 405 else "not_found"
    return await _told(request, ApiError(code, headers=error.headers))
