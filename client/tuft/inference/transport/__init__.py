"""The way to the model server: one protocol, the real thing, and a public fake for tests."""

from __future__ import annotations

from tuft.inference.transport.base import CallOptions, Inference, ServerInfo, Transport
from tuft.inference.transport.fake import FakeTransport
from tuft.inference.transport.triton import TritonTransport

__all__ = ["CallOptions", "FakeTransport", "Inference", "ServerInfo", "Transport", "TritonTransport"]
