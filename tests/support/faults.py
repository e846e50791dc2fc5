"""Faults to inject into the fake TensorRT, and its recorded calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray


@dataclass
class Faults:
    """Injected faults and recorded calls.

    Attributes:
        parser_errors: What the parser says; any makes it refuse the graph.
        profile_index: What adding a profile answers.
        builds: Whether building gives a plan.
        loads: Whether a plan can be loaded.
        runs: Whether an execution succeeds.
        bend: Applied to the saliency of every execution.
        on_step: Called in a thread of TensorRT's at every step.
        steps: For `on_step` to note in.
        cache_of: Whose timings are taken.
        output_dtype: Of the engine's output.
        configs: Every configuration that something was built with.
        builds_counted: How many builds have begun.
        device_of: Tells the current GPU; called when a builder is made.
        devices: What it told.
    """

    parser_errors: list[str] = field(default_factory=list)
    profile_index: int = 0
    builds: bool = True
    loads: bool = True
    runs: bool = True
    bend: Callable[[NDArray[np.float32]], NDArray[np.float32]] = lambda saliency: saliency
    on_step: Callable[[int], None] = lambda step: None
    steps: list[int] = field(default_factory=list)
    cache_of: bytes = b"timings of NVIDIA L4:"
    output_dtype: str = "FLOAT"
    configs: list[Any] = field(default_factory=list)
    builds_counted: int = 0
    device_of: Callable[[], int] = lambda: 0
    devices: list[int] = field(default_factory=list)
