"""`GET /v1.0/account`: what is left of a key's month."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request

from tuft_gateway.accounts.meter import AccountMeter

if TYPE_CHECKING:
    from tuft_gateway.service import Service

# Told where there is no limit: remove.bg's clients expect a number.
UNLIMITED: Final = Decimal(1_000_000)


def router(service: Service) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.get("/v1.0/account", summary="Credits that are left this month")
    async def account(request: Request) -> dict[str, Any]:
        number = float(await _left(service, request))
        credits = {"total": number, "subscription": number, "payg": 0, "enterprise": 0}
        return {"data": {"attributes": {"credits": credits, "api": {"free_calls": 0, "sizes": "all"}}}}

    return routes


async def _left(service: Service, request: Request) -> Decimal:
    if isinstance(service.meter, AccountMeter):
        left = await service.meter.left(request.headers)
        return UNLIMITED if left is None else left
    await service.admitted(request)
    return UNLIMITED
