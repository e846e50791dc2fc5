"""The way to the model server: one protocol, the real thing, and a public fake for tests."""

from __future__ import annotations

from tuft.transport.base import CallOptions, Inference, ServerInfo, Transport
from tuft.transport.fake import FakeTransport
from tuft.transport.triton import TritonTransport

__all__ = ["CallOptions", "FakeTransport", "Inference", "ServerInfo", "Transport", "TritonTransport"]
