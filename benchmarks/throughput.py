"""How many images per second does a server process, and at which latency under load?

    python benchmarks/throughput.py [--preset NAME] [--concurrency 1 2 4 8] [--batches 1 4] [--json FILE]
    python benchmarks/throughput.py --rates 0.2 0.5 1 --arrivals poisson [--url HOST:PORT]

There are three kinds of load. All come from this machine, so that the client takes a share of its cores:

- closed loop, photographs: `--concurrency` callers, JPEG to PNG, each asks again as soon as it has its answer;
- closed loop, pictures: the server alone, with ready pictures of its working size, `--batches` per request;
- open loop, photographs: arrivals at a given rate, whether or not earlier requests are answered. Latency counts from
  the scheduled time, so that queueing shows; beyond the capacity of the server it grows without bound.

Without `--rates`, the open loop runs at 50, 80 and 120 % of the best rate of the closed loop.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib import needs  # noqa: F401 (first: names what is missing)
from _lib.counters import Counters, counting, settled
from _lib.load import Window, arrivals_s, closed_loop, open_loop
from _lib.machine import machine_facts
from _lib.photographs import Photograph, photographs
from _lib.serving import add_arguments, repository_to_serve, require_consistent, server_of, serving
from _lib.stages import Milliseconds, cut_out
from _throughput.throughput_table import table

from tuft import PRESETS, Client, contract
from tuft.presets import working_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _lib.serving import Processes

SHARES: Final = (0.5, 0.8, 1.2)  # of the best rate
ARRIVALS: Final = {"even": None, "poisson": 0}  # seeds
_PICTURE_CALLERS: Final = 2  # one request is in transit while the other is computed


class Load:
    """Loads one server with one preset.

    Args:
        url: Address of the server.
        client: A client of that server.
        preset: Preset for the photographs.
        subjects: Photographs to send, in turn.
        requests: Number of requests that count, in each load.
    """

    def __init__(self, url: str, client: Client, preset: str, subjects: Sequence[Photograph], requests: int) -> None:
        self._url, self._client, self._preset, self._subjects = url, client, preset, subjects
        self._requests = requests
        self._count = counting(url)
        self._server = server_of(url)

    def closed(self, concurrency: int) -> dict[str, Any]:
        """Closed loop of photographs."""
        self._reset_peak_memory()
        window = closed_loop(self._cut_out, concurrency, max(self._requests, concurrency), self._count)
        return {"callers": concurrency, "images_per_s": window.per_s, **self._seen(window)}

    def pictures(self, batch: int) -> dict[str, Any]:
        """Closed loop of ready pictures, `batch` per request."""
        self._reset_peak_memory()
        ask = self._asking(batch)
        window = closed_loop(ask, _PICTURE_CALLERS, max(self._requests // batch, _PICTURE_CALLERS), self._count)
        row = {"batch": batch, "callers": _PICTURE_CALLERS, "images_per_s": window.per_s * batch}
        return {**row, **self._seen(window)}

    def open(self, rate_per_s: float, arrivals: str) -> dict[str, Any]:
        """Open loop of photographs."""
        self._reset_peak_memory()
        at_s = arrivals_s(rate_per_s, self._requests, seed=ARRIVALS[arrivals])
        window = open_loop(self._cut_out, at_s, lambda: settled(self._count))
        late_ms = max((call.began_s - call.due_s) * 1e3 for call in window.calls)
        row = {"rate_per_s": rate_per_s, "arrivals": arrivals, "images_per_s": window.per_s}
        return {**row, **self._seen(window), "begun_late_ms": late_ms}

    def _cut_out(self, number: int) -> Milliseconds:
        return cut_out(self._client, self._subjects[number % len(self._subjects)].jpeg, self._preset)

    def _asking(self, batch: int) -> Callable[[int], Any]:
        import tritonclient.grpc

        size = working_size(PRESETS[self._preset], self._subjects[0].size_hw)
        pictures = np.random.default_rng(0).integers(0, 256, (batch, size, size, contract.CHANNELS), np.uint8)
        tensor = tritonclient.grpc.InferInput(contract.INPUT_NAME, list(pictures.shape), contract.INPUT_DTYPE)
        tensor.set_data_from_numpy(pictures)
        server = tritonclient.grpc.InferenceServerClient(self._url)
        return lambda _: server.infer(contract.model_name(size), [tensor])

    def _reset_peak_memory(self) -> None:
        if self._server is not None:
            self._server.reset_peak_memory()

    def _seen(self, window: Window[Any, Counters]) -> dict[str, Any]:
        """The figures that are common to all loads."""
        return {
            "latency_ms": window.latency_ms(),
            "outcomes": window.outcomes,
            "triton": (window.after - window.before).to_dict(),
            "server_bytes": _memory(self._server),
            "latencies_ms": [call.latency_ms for call in window.answered],
        }


def throughput(
    url: str,
    preset: str,
    subjects: Sequence[Photograph],
    *,
    requests: int,
    concurrency: Sequence[int],
    batches: Sequence[int],
    rates_per_s: Sequence[float] | None = None,
    arrivals: str = "poisson",
) -> dict[str, Any]:
    """Runs all three kinds of load against a running server.

    Returns:
        `server`, `closed`, `pictures` and `open`, as they go into JSON.
    """
    with Client(url) as client:
        info = client.transport.server_info()
        load = Load(url, client, preset, subjects, requests)
        closed = [load.closed(callers) for callers in concurrency]
        pictures = [load.pictures(batch) for batch in batches]
        if rates_per_s is None:
            best = max((row["images_per_s"] for row in closed), default=0.0)
            rates_per_s = [share * best for share in SHARES] if best else []
        opened = [load.open(rate, arrivals) for rate in rates_per_s]
    return {"server": f"{info.name} {info.version}", "closed": closed, "pictures": pictures, "open": opened}


def _memory(server: Processes | None) -> dict[str, int] | None:
    """Memory of the server and its models' processes; None if this process has not started it."""
    return None if server is None else {"peak": server.peak_bytes(), "now": server.resident_bytes()}


def main() -> None:
    """Measures and prints Markdown tables; `--json` keeps the raw numbers."""
    options = _options()
    facts, subjects = machine_facts(), photographs(options.photos)
    sizes = tuple(sorted({working_size(PRESETS[options.preset], one.size_hw) for one in subjects}))
    with serving(options.url, repository_to_serve(options, sizes), sizes) as url:
        measured = throughput(
            url,
            options.preset,
            subjects,
            requests=options.requests,
            concurrency=options.concurrency,
            batches=options.batches,
            rates_per_s=options.rates,
            arrivals=options.arrivals,
        )
    data = {
        **facts,
        "weights": options.weights,
        "parameters": options.parameter,
        "preset": options.preset,
        "photographs": [one.to_dict() for one in subjects],
        **measured,
    }
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Images per second, and latency under load.")
    add_arguments(parser)
    parser.add_argument("--preset", choices=tuple(PRESETS), default="standard")
    parser.add_argument("--concurrency", type=int, nargs="*", default=[1, 2, 4, 8], help="callers in a closed loop")
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 4], help="pictures in one request")
    parser.add_argument("--rates", type=float, nargs="*", help="arrivals a second in the open loop")
    parser.add_argument("--arrivals", choices=tuple(ARRIVALS), default="poisson", help="gaps between them")
    parser.add_argument("--requests", type=int, default=40, help="that count, in each load")
    options = parser.parse_args()
    require_consistent(parser, options)
    return options


if __name__ == "__main__":
    main()
