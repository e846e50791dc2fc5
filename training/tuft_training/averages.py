"""An exponential moving average of a network's weights."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

if TYPE_CHECKING:
    from torch import nn

    _Network = TypeVar("_Network", bound=nn.Module)
else:
    _Network = TypeVar("_Network")


class MovingAverage(Generic[_Network]):
    """A copy of a network whose weights are an exponential moving average of the original's.

    The decay rises with the number of updates, min(decay, (1 + n) / (10 + n)), so that the random initial weights are
    forgotten quickly. Integer buffers are copied.
    """

    def __init__(self, network: _Network, decay: float) -> None:
        self.network: _Network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: _Network) -> None:
        """Updates the average with the weights of `network`."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        current = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name], 1 - decay)
            else:
                average.copy_(current[name])

    def state_dict(self) -> dict[str, Any]:
        """The state for `load_state_dict`."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a state from `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.updates = state["updates"]
