"""The application: joins the protocols, the operator's endpoints and the page."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

import tuft
from tuft.files import data_folder
from tuft_gateway import description, health, improve, rembg, removebg, videos
from tuft_gateway.accounts import routes as accounts
from tuft_gateway.browsers import BrowserPolicy
from tuft_gateway.improve import ReportStore
from tuft_gateway.metering import FreeMeter
from tuft_gateway.metrics import GatewayMetrics, MeasuredAnswers
from tuft_gateway.options import GatewayOptions
from tuft_gateway.problems import ApiError
from tuft_gateway.service import Service
from tuft_gateway.videos import VideoJobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tuft import Client
    from tuft_gateway.metering import Meter

PAGE: Final = Path(__file__).parent / "page"


def create_app(
    client: Client,
    options: GatewayOptions | None = None,
    meter: Meter | None = None,
    registry: CollectorRegistry | None = None,
    reports: ReportStore | None = None,
) -> FastAPI:
    """The application, for any server of ASGI.

    Args:
        client: Cuts out; closed with the application.
        options: Limits.
        meter: Says who may ask, and charges; by default only this machine may, free of charge.
        registry: Of the metrics that `/metrics` shows; a new one by default.
        reports: Keeps reports of bad results; by default in a folder of this user.
    """
    service = Service(client, FreeMeter() if meter is None else meter, options or GatewayOptions())
    jobs = VideoJobs(service) if service.options.videos else None
    metrics = GatewayMetrics(service, CollectorRegistry() if registry is None else registry)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # The first photograph need not wait until a process that decodes has started.
        starting = asyncio.get_running_loop().run_in_executor(None, service.warm_up)
        try:
            yield
        finally:
            await asyncio.wait((starting,))
            if jobs is not None:
                await anyio.to_thread.run_sync(jobs.close)
            await anyio.to_thread.run_sync(service.close)

    app = FastAPI(
        title="tuft",
        version=tuft.__version__,
        description="Background removal over HTTP, in remove.bg's protocol and in rembg's.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.add_exception_handler(ApiError, _told)
    app.add_exception_handler(HTTPException, _told_by_status)
    app.add_exception_handler(Exception, _told_of_a_defect)
    app.add_middleware(BrowserPolicy, open_to_all=service.has_keys)
    app.add_middleware(MeasuredAnswers, metrics=metrics)
    app.include_router(removebg.router(service))
    app.include_router(rembg.router(service))
    app.include_router(accounts.router(service))
    app.include_router(improve.router(service, reports or ReportStore(data_folder() / "reports")))
    if jobs is not None:
        app.include_router(videos.router(service, jobs))
    app.include_router(health.router(service, metrics))
    app.include_router(description.router(app))
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    return app


async def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.to_dict(), error.status, error.headers)


async def _told_by_status(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # The page is mounted at `/` and would answer what the routes do not.
    allowed = [method.upper() for method in request.app.openapi()["paths"].get(request.url.path, ())]
    if error.status_code == 405 or allowed:
        headers = {"Allow": ", ".join(allowed)} if allowed else error.headers
        return await _told(request, ApiError("method_not_allowed", headers=headers))
    return await _told(request, ApiError("not_found", headers=error.headers))


async def _told_of_a_defect(request: Request, _error: Exception) -> Response:
    """The caller learns no more than that; the traceback goes to the log."""
    return await _told(request, ApiError("internal_error"))
