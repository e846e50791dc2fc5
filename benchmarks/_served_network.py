"""What the server's process does for a picture, in this one: `model.py` without Triton around it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
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
        module = _module()
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


def _module() -> Any:
    stand_in: Any = ModuleType("triton_python_backend_utils")
    stand_in.TritonModelException = RuntimeError
    sys.modules[stand_in.__name__] = stand_in
    spec = importlib.util.spec_from_file_location("served_model", _MODEL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
