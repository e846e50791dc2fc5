"""HTTP in front of a model server: remove.bg's protocol, rembg's, and a web page. It uses only the public `tuft`."""

from __future__ import annotations

from tuft_gateway.app import create_app
from tuft_gateway.metering import FreeMeter, Meter
from tuft_gateway.options import GatewayOptions

__all__ = ["FreeMeter", "GatewayOptions", "Meter", "create_app"]
