"""`GET /v1.0/account`: what is left of a key's month."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import anyio
from fastapi import APIRouter, Request

from tuft_gateway.accounts.meter import AccountMeter, account_errors

if TYPE_CHECKING:
    from tuft_gateway.service import Service

# Told where there is no limit: remove.bg's clients expect a number.
UNLIMITED: Final = Decimal(1_000_000)


def router(service: Service) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.get("/v1.0/account", summary="Credits that are left this month")
    async def account(request: Request) -> dict[str, Any]:
        await service.admitted(request)
        meter = service.meter
        left = await _left(meter, request) if isinstance(meter, AccountMeter) else UNLIMITED
        number = float(left)
        credits = {"total": number, "subscription": number, "payg": 0, "enterprise": 0}
        return {"data": {"attributes": {"credits": credits, "api": {"free_calls": 0, "sizes": "all"}}}}

    return routes


async def _left(meter: AccountMeter, request: Request) -> Decimal:
    key = await meter.key(request.headers)
    if key.monthly_credits is None:
        return UNLIMITED
    with account_errors():
        used = await anyio.to_thread.run_sync(lambda: meter.ledger.usage(key.id))
    return max(key.monthly_credits - used.charged - used.reserved, Decimal(0))
