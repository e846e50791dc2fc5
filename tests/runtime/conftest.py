"""Graphs shared by the tests of the runtime."""

from support.networks import blended_graph, plain_graph  # noqa: F401 (fixtures)
