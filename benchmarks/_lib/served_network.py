"""What the server's process does for a picture, in this one: `model.py` without Triton around it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Network = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

_MODEL: Final = Path(__file__).parents[1] / "export" / "tuft_export" / "python_model.py"


class ServedNetwork:
    """A graph as the runtime `python` computes it.

    Args:
        graph: The ONNX file.
        settings: As in `configs/python.pbtxt`.
        needed: Where the stage at full resolution is computed, bool [S, S], instead of where the network is uncertain:
            with random weights, whose time is that of trained ones, it is so nearly everywhere.

    Attributes:
        shares: Of each picture so far, the share of it that was computed in tiles.
    """

    def __init__(self, graph: Path, settings: Mapping[str, str], needed: NDArray[np.bool_] | None = None) -> None:
        module = model_module(_MODEL)
        self.shares: list[float] = []
        tiles = module._tiles

        def noted(uncertain: NDArray[np.bool_], tile_px: int) -> Any:
            corners = tiles(uncertain if needed is None else needed, tile_px)
            self.shares.append(len(corners) * tile_px**2 / uncertain.size)
            return corners

        module._tiles = noted
        self._network: Network = module._network(graph, settings)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The saliency [1, S, S] of an image uint8 [1, S, S, 3]."""
        return self._network(image)


def tiles_share(needed: NDArray[np.bool_]) -> float:
    """The share of a picture that is computed in tiles where the stage is needed in bool [S, S]."""
    module = model_module(_MODEL)
    tile_px = module._tile_px(len(needed))
    return float(len(module._tiles(needed, tile_px)) * tile_px**2 / needed.size)


class Tensor:
    """Triton's, as far as `model.py` uses it."""

    def __init__(self, name: str, array: NDArray[Any]) -> None:
        self.name, self._array = name, array

    def as_numpy(self) -> NDArray[Any]:
        """Its values."""
        return self._array


def model_module(path: Path) -> Any:
    """A `model.py` as a module, with a stand-in for what Triton gives it; requests are dictionaries of `Tensor`."""
    stand_in: Any = ModuleType("triton_python_backend_utils")
    stand_in.TritonModelException = RuntimeError
    stand_in.Tensor = Tensor
    stand_in.InferenceResponse = list
    stand_in.get_input_tensor_by_name = lambda request, name: request[name]
    stand_in.get_output_config_by_name = lambda config, name: next(o for o in config["output"] if o["name"] == name)
    stand_in.triton_string_to_numpy = {"TYPE_FP32": np.float32, "TYPE_FP16": np.float16}.__getitem__
    sys.modules[stand_in.__name__] = stand_in
    spec = importlib.util.spec_from_file_location("served_model", path)
    assert spec is not None
    assert spec.loader is not None
    sys.dont_write_bytecode = True  # a version folder stays as it was sealed
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
