"""tuft and transparent-background on the same graph: `python -m _peers.contestants NAME GRAPH`, a process for each.

Both answer each line, a JSON object with the paths `jpeg` and `png`, with the milliseconds from the bytes of the one to
the bytes of the other.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _lib.subprocess_worker import answer_lines

from tuft.imaging.preprocess import network_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from tuft.imaging.refine import Stage

    Saliency = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def main() -> None:
    """Answers until the input ends."""
    name, graph = sys.argv[1:]
    network = _network(Path(graph))
    with contextlib.ExitStack() as stack:
        match name:
            case "tuft":
                cut_out = tufts(network)
            case "tuft, matting stage":
                from _lib.served_stage import served_stage  # not in the other processes, whose memory is measured

                cut_out = tufts(network, stack.enter_context(served_stage()))
            case _:
                cut_out = references(network)
        answer_lines(lambda: _timed(cut_out))


def _timed(cut_out: Callable[[bytes], bytes]) -> Callable[[str], Mapping[str, Any]]:
    def answer(line: str) -> Mapping[str, Any]:
        task = json.loads(line)
        jpeg = Path(task["jpeg"]).read_bytes()
        began_s = time.perf_counter()
        png = cut_out(jpeg)
        ms = (time.perf_counter() - began_s) * 1e3
        Path(task["png"]).write_bytes(png)
        return {"ms": ms}

    return answer


def _network(graph: Path) -> Saliency:
    """The graph in ONNX Runtime with rembg's settings: the CPU's provider, and its own choice of threads."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def saliency(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = session.run(None, {name: picture[np.newaxis]})[0][0]
        return answer

    return saliency


def tufts(saliency: Saliency, stage: Stage | None = None) -> Callable[[bytes], bytes]:
    """The client with the preset `standard`, whose edges are left to the matting stage if there is one."""
    from tuft import Client, FakeTransport

    if stage is None:
        client = Client(transport=FakeTransport(saliency))
        return lambda jpeg: client.remove(jpeg, preset="standard").to_bytes("png")
    client = Client(transport=FakeTransport(saliency, matte_from_planes=stage))
    return lambda jpeg: client.remove(jpeg, preset="standard", refine="matting").to_bytes("png")


def references(saliency: Saliency) -> Callable[[bytes], bytes]:
    """transparent-background's own `Remover.process(type="rgba")` and a save; its network is replaced by the graph.

    Its resize is the same (Pillow's bilinear, squashed to a square), so its network would see the same picture.
    """
    import torch
    from PIL import Image
    from pymatting import estimate_foreground_ml
    from transparent_background import Remover

    remover = object.__new__(Remover)
    remover.device, remover.matting_fn = "cpu", estimate_foreground_ml
    remover.transform = lambda photo: torch.from_numpy(network_image(np.asarray(photo), 1024, "static")[0])
    remover.model = lambda picture: torch.from_numpy(_stretched(saliency(picture[0].numpy())))[None, None]

    def cut_out(jpeg: bytes) -> bytes:
        file = io.BytesIO()
        remover.process(Image.open(io.BytesIO(jpeg)).convert("RGB"), type="rgba").save(file, "PNG")
        return file.getvalue()

    return cut_out


def _stretched(saliency: NDArray[np.float32]) -> NDArray[np.float32]:
    """From the least to the greatest as 0..1: the last step of its network, which the graph leaves to the client."""
    stretched: NDArray[np.float32] = (saliency - saliency.min()) / (saliency.max() - saliency.min())
    return stretched


if __name__ == "__main__":
    main()
