"""How long does a picture take to a server on the same machine and back, if its network takes no time?

    python benchmarks/wire.py [--sizes 1024 2048] [--rounds N] [--json FILE]

A real tritonserver runs models that answer at once. tuft's transport, with and without shared memory, and
tritonclient's own call take turns over loopback; Triton's counters for its queue and the model are subtracted, so that
the rest is the wire: both ends of gRPC and what is between them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib import needs  # noqa: F401 (first: names what is missing)
from _lib.counters import counting
from _lib.machine import machine
from _lib.markdown_table import markdown_table

from tuft import TritonTransport, contract
from tuft.errors import ServerError
from tuft.inference.transport.access import Access
from tuft.serve.locate import find_tritonserver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from _lib.counters import Counters
    from numpy.typing import NDArray

TUFT: Final = "tuft"
SHARED: Final = "tuft, shared memory"
LIBRARY: Final = "tritonclient's own call"
_READY_WITHIN_S: Final = 60.0
_CONFIG: Final = """\
name: "{name}"
backend: "python"
max_batch_size: 1
input [ {{ name: "{input}" data_type: TYPE_UINT8 dims: [ {size}, {size}, 3 ] }} ]
output [ {{ name: "{output}" data_type: TYPE_FP32 dims: [ {size}, {size} ] }} ]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
"""
_MODEL: Final = """\
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.saliency = np.random.default_rng(0).random((1, {size}, {size}), dtype=np.float32)

    def execute(self, requests):
        return [pb.InferenceResponse([pb.Tensor("{output}", self.saliency)]) for _ in requests]
"""


def main() -> None:
    """Measures and prints a Markdown table; `--json` keeps the raw numbers."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="tuft-wire-") as folder, serving(Path(folder), options.sizes) as url:
        data = {"machine": machine(), "load": os.getloadavg()[0], "rows": measured(url, options.sizes, options.rounds)}
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")


@contextlib.contextmanager
def serving(folder: Path, sizes: Sequence[int]) -> Iterator[str]:
    """A tritonserver with a model of each size that answers at once; gives its address."""
    for size in sizes:
        names = {"name": contract.model_name(size), "size": size}
        names |= {"input": contract.INPUT_NAME, "output": contract.OUTPUT_NAME}
        version = folder / contract.model_name(size) / "1"
        version.mkdir(parents=True)
        (version.parent / "config.pbtxt").write_text(_CONFIG.format(**names))
        (version / "model.py").write_text(_MODEL.format(**names))
    server, ports = find_tritonserver(), _free_ports(2)
    command = [str(server.executable), *server.arguments, f"--model-repository={folder}", "--allow-metrics=false"]
    for protocol, port in zip(("grpc", "http"), ports, strict=True):
        command += [f"--{protocol}-address=127.0.0.1", f"--{protocol}-port={port}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **server.environment}, stdout=log, stderr=log)
        try:
            yield f"127.0.0.1:{ports[0]}"
        finally:
            process.terminate()
            process.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def measured(url: str, sizes: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of the wire for each size and contestant, of every round but the first."""
    transport, sharing, rows = TritonTransport(url), TritonTransport(url, access=Access(shared_memory=True)), []
    for size in sizes:
        model = contract.model_name(size)
        _wait_until_ready(transport, model)
        picture = np.random.default_rng(0).integers(0, 256, (size, size, 3)).astype(np.uint8)
        calls = {
            TUFT: lambda model=model, picture=picture: transport.infer(model, picture, timeout_s=60),
            SHARED: lambda model=model, picture=picture: sharing.infer(model, picture, timeout_s=60),
            LIBRARY: lambda model=model, picture=picture: _librarys_call(transport, model, picture),
        }
        found: dict[str, list[float]] = {name: [] for name in calls}
        for attempt in range(rounds + 1):
            for name, call in calls.items():
                ms = _wire_ms(call, counting(url))
                if attempt:
                    found[name].append(ms)
        rows += [{"size": size, "contestant": name, "ms": ms} for name, ms in found.items()]
    transport.close()
    sharing.close()
    return rows


def _wait_until_ready(transport: TritonTransport, model: str) -> None:
    deadline_s = time.monotonic() + _READY_WITHIN_S
    while True:
        with contextlib.suppress(ServerError):
            if transport.is_ready(model):
                return
        if time.monotonic() > deadline_s:
            raise SystemExit("tritonserver has not become ready: is the machine very busy?")
        time.sleep(0.2)


def _librarys_call(transport: TritonTransport, model: str, picture: NDArray[np.uint8]) -> Any:
    """The same request through tritonclient's `async_infer`, which can be cancelled, too."""
    import queue

    from tritonclient.grpc import InferInput, InferRequestedOutput

    replies: queue.Queue[Any] = queue.Queue()
    with transport.grpc_client(model, 60) as client:
        tensor = InferInput(contract.INPUT_NAME, [1, *picture.shape], contract.INPUT_DTYPE)
        tensor.set_data_from_numpy(picture[np.newaxis])
        asked = [InferRequestedOutput(contract.OUTPUT_NAME)]
        client.async_infer(model, [tensor], lambda result, error: replies.put((result, error)), outputs=asked)
        result, error = replies.get()
    if error is not None:
        raise error
    return result.as_numpy(contract.OUTPUT_NAME)


def _wire_ms(call: Callable[[], object], count: Callable[[], Counters]) -> float:
    before, began_s = count(), time.perf_counter()
    call()
    ms = (time.perf_counter() - began_s) * 1e3
    while (counted := count() - before).requests < 1:  # counted after the answer was sent
        time.sleep(0.002)
    return ms - counted.queue_ms_per_request - counted.network_ms_per_request


def table(data: Mapping[str, Any]) -> str:
    """Formats medians, least times and ratios to tuft's."""
    lines = [["size", "", "ms, median", "ms, least", "times tuft's"], ["---:", "---", *["---:"] * 3]]
    own = {row["size"]: statistics.median(row["ms"]) for row in data["rows"] if row["contestant"] == TUFT}
    for row in data["rows"]:
        median = statistics.median(row["ms"])
        ratio = f"{median / own[row['size']]:.2f}"
        lines.append([str(row["size"]), row["contestant"], f"{median:.1f}", f"{min(row['ms']):.1f}", ratio])
    return f"{data['machine']}, load before {data['load']:.1f}.\n\n{markdown_table(lines)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The way of a picture to Triton and back.")
    parser.add_argument("--sizes", type=int, nargs="+", choices=contract.SIZES, default=[1024, 2048])
    parser.add_argument("--rounds", type=int, default=15, help="after the warm-up")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    return parser


if __name__ == "__main__":
    main()
