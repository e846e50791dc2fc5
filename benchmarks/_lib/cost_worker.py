"""Time and peak memory of one workload in a process of its own: `python -m _lib.cost_worker KIND JSON`, prints JSON.

| kind | options besides `repetitions` | workload |
| --- | --- | --- |
| `openvino` | graph, precision, batch | the network compiled by OpenVINO |
| `served` | graph, needed (.npy), settings as in configs/python.pbtxt | one picture as the server computes it |
| `torch` | checkpoint, size, batch | transparent-background's network |
| `client` | jpeg (its saliency beside it as .npy) | everything around the network, JPEG to PNG |
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from _lib.machine import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Warms up with one run, times the others, and prints the seconds and the peak resident memory."""
    kind, options = sys.argv[1], json.loads(sys.argv[2])
    repetitions = options.pop("repetitions")
    kinds: dict[str, Callable[..., Callable[[], object]]] = {
        "openvino": _openvino,
        "served": _served,
        "torch": _torch,
        "client": _client,
    }
    run = kinds[kind](**options)
    run()
    seconds = [_seconds(run) for _ in range(repetitions)]
    print(json.dumps({"seconds": seconds, "peak_bytes": resident_bytes("VmHWM")}))


def _seconds(run: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    run()
    return time.perf_counter() - began_s


def _openvino(graph: str, precision: str, batch: int) -> Callable[[], object]:
    import openvino

    from tuft_export.sample_images import sample_pictures

    core = openvino.Core()
    model = core.read_model(graph)
    size = model.inputs[0].partial_shape[1].get_length()
    model.reshape([batch, size, size, 3])
    properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    request = core.compile_model(model, "CPU", properties).create_infer_request()
    pictures = sample_pictures(size, batch)
    del model  # the server's process keeps only the compiled model
    return lambda: request.infer([pictures])


def _served(graph: str, needed: str, **settings: str) -> Callable[[], object]:
    from _lib.served_network import ServedNetwork
    from tuft_export.sample_images import sample_pictures

    mask = np.load(needed)
    network, picture = ServedNetwork(Path(graph), settings, mask), sample_pictures(len(mask), 1)
    return lambda: network(picture)


def _torch(checkpoint: str, size: int, batch: int) -> Callable[[], object]:
    import torch

    from _lib.published import reference_network

    network, images = reference_network(Path(checkpoint)), torch.randn(batch, 3, size, size)

    def run() -> Any:
        with torch.no_grad():
            return network(images)

    return run


def _client(jpeg: str) -> Callable[[], object]:
    """The client, with a transport that answers at once."""
    from tuft import Client, FakeTransport

    file = Path(jpeg)
    saliency = np.load(file.with_suffix(".npy"))
    client, content = Client(transport=FakeTransport(lambda _: saliency)), file.read_bytes()
    return lambda: client.remove(content, preset="standard", size=saliency.shape[0]).to_bytes("png")


if __name__ == "__main__":
    main()
