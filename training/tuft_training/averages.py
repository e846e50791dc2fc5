"""Averages of a network's weights: the exponential moving one of a training, and the mean of several that ships.

python -m tuft_training.averages out/training/stage_384/averages/step_00{1000,1200}.safetensors -o mean.safetensors
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

from tuft_export.checkpoints import checkpoint_from_name, load_network, save_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from tuft_export.inspyrenet import InSPyReNet

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
        _blend(self.network, network, 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        """The state for `load_state_dict`."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a state from `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.updates = state["updates"]


def _blend(average: nn.Module, network: nn.Module, weight: float) -> None:
    """Moves each weight of `average` towards that of `network` by the fraction `weight`; integers are copied."""
    current = network.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], weight)
        else:
            value.copy_(current[name])


@torch.no_grad()
def mean_network(networks: Sequence[InSPyReNet]) -> InSPyReNet:
    """A network whose weights are the means of those of several networks of one shape.

    Raises:
        RuntimeError: The networks have different shapes.
    """
    mean = copy.deepcopy(networks[0])
    for count, other in enumerate(networks[1:], start=2):
        _blend(mean, other, 1 / count)
    return mean


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tuft_training.averages", description="The mean of checkpoints.")
    parser.add_argument("checkpoints", type=Path, nargs="+", help="weights as .safetensors, of one training")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file for their mean")
    options = parser.parse_args(arguments)
    networks = [load_network(checkpoint_from_name(str(path))) for path in options.checkpoints]
    save_weights(mean_network(networks), options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
