"""For operators and orchestrators: `/health`, `/ready` and `/metrics`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio
from fastapi import APIRouter
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tuft import contract
from tuft.errors import TuftError
from tuft.presets import preset_from_name

if TYPE_CHECKING:
    from tuft_gateway.metrics import GatewayMetrics
    from tuft_gateway.service import Service

_REMEMBERED_S: Final = 1.0


def router(service: Service, metrics: GatewayMetrics) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["operation"])
    readiness = Readiness(service)

    @routes.get("/health", summary="Whether the gateway runs")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/ready", summary="Whether a photograph can be cut out now")
    async def ready() -> JSONResponse:
        is_ready = await readiness.ask()
        prompts = ["box", "points"] if readiness.takes_points else ["box"]
        status = "ready" if is_ready else "loading"
        told = {"status": status, "prompts": prompts, "videos": service.options.videos}
        return JSONResponse(told, 200 if is_ready else 503)

    @routes.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
    async def prometheus() -> Response:
        return metrics.response()

    return routes


class Readiness:
    """Whether the model of the default preset is served; the server is asked at most once a second.

    Attributes:
        takes_points: Whether it serves a model for prompts, too, as of the last question.
    """

    def __init__(self, service: Service) -> None:
        self._client = service.client
        preset = preset_from_name(service.client.settings.preset)
        self._model = contract.model_name(preset.size or 1024)
        self.takes_points = False
        self._known, self._asked_s = False, -_REMEMBERED_S
        self._lock = anyio.Lock()

    async def ask(self) -> bool:
        """Whether it is."""
        async with self._lock:
            if time.monotonic() - self._asked_s >= _REMEMBERED_S:
                self._known = await anyio.to_thread.run_sync(self._ask)
                self._asked_s = time.monotonic()
            return self._known

    def _ask(self) -> bool:
        is_ready = self._client.transport.is_ready
        try:
            self.takes_points = all(map(is_ready, contract.PROMPT_MODELS))
            return is_ready(self._model)
        except TuftError:
            return False
