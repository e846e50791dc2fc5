"""remove.bg's protocol, version 1.0: fields, imaging, answers and the route."""

from __future__ import annotations

from tuft_gateway.removebg.route import router

__all__ = ["router"]
