"""Networks and graphs shared by the tests of the export stage."""

from support.networks import (  # noqa: F401 (fixtures)
    blended_graph,
    demo_graph_384,
    plain_graph,
    small_network,
    swin_b_network,
    tiny_network,
)
