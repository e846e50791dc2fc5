"""Transports: the protocol, NVIDIA Triton over gRPC, those that plug in, and a public fake for tests."""

from __future__ import annotations

from tuft.inference.transport.access import Access
from tuft.inference.transport.base import CallOptions, Inference, NetworkInput, ServerInfo, Tensors, Transport
from tuft.inference.transport.fake import FakeTransport
from tuft.inference.transport.triton import TritonTransport

__all__ = [
    "Access",
    "CallOptions",
    "FakeTransport",
    "Inference",
    "NetworkInput",
    "ServerInfo",
    "Tensors",
    "Transport",
    "TritonTransport",
]
