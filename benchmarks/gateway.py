"""What does the gateway add to `Client.remove`, and does it hold under load?

    python benchmarks/gateway.py [--rounds N] [--requests N] [--json FILE]

The network answers at once (a `tuft.FakeTransport`), so that what is measured is the way to it. First a photograph of
12 megapixels is cut out by a client that decodes in a sandbox, as the gateway does, and by the gateway over HTTP, in
turn.
Then requests of every kind are sent, 32 at once: all forms of bodies, formats and sizes, errors, and clients that leave
early. Each answer is compared with the client's own, and the gateway's memory is followed.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from _lib.machine import machine, resident_bytes
from _lib.markdown_table import markdown_table
from _lib.needs import packages

from tuft import Client, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

with packages():
    import httpx
    from _gateway.server import instant_network
    from _lib.synthetic_photograph import synthetic_photograph
    from _soak.census import Slope, slope

MEGAPIXELS: Final = 12
AT_ONCE: Final = 32
ROUNDS: Final = 31
REQUESTS: Final = 2000
SAMPLE_EVERY: Final = 100
_ROUTE: Final = "/v1.0/removebg"


@dataclass(frozen=True)
class Added:
    """Milliseconds of one photograph, medians over the rounds.

    Attributes:
        client_ms: `Client.remove` and `to_bytes("png")`, decoding in a sandbox.
        plain_ms: The same, decoding in this process.
        gateway_ms: One request over HTTP for the same bytes.
        added_ms: Median of the differences between gateway and client of each round.
        rounds: How many.
    """

    client_ms: float
    plain_ms: float
    gateway_ms: float
    added_ms: float
    rounds: int


@dataclass(frozen=True)
class Kind:
    """A request that is repeated.

    Attributes:
        name: What it shows.
        send: Sends it and returns status and body; a body of None is not compared.
        status: What must be answered.
        body: What must be answered; None for anything.
    """

    name: str
    send: Callable[[str], tuple[int, bytes]]
    status: int = 200
    body: bytes | None = None


@dataclass(frozen=True)
class Soak:
    """The result of many requests.

    Attributes:
        requests: How many.
        seconds: How long.
        statuses: From statuses to their number; `left` for clients that left early.
        different: Names of requests whose answer differed from the client's.
        memory_mb: Resident memory of the gateway after each `SAMPLE_EVERY` requests, when nothing is in flight.
        growth: Of that memory.
    """

    requests: int
    seconds: float
    statuses: dict[str, int]
    different: list[str] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    growth: Slope | None = None


@contextmanager
def gateway() -> Iterator[tuple[str, int]]:
    """Address and process id of a gateway in a process of its own."""
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH", ""))))
    process = subprocess.Popen(
        [sys.executable, "-m", "_gateway.server"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid
    finally:
        process.communicate()


def added(rounds: int, jpeg: bytes) -> Added:
    """Measures one photograph, client and gateway in turn; the first round is discarded."""
    times: list[tuple[float, float, float]] = []
    with (
        gateway() as (url, _),
        Client(transport=instant_network(), settings=Settings(isolate_decoding=True)) as client,
        Client(transport=instant_network(), settings=Settings()) as plain,
        httpx.Client(timeout=120) as http_client,
    ):
        file = {"file": ("photograph.jpg", jpeg)}
        works: tuple[Callable[[], bytes], ...] = (
            lambda: client.remove(jpeg).to_bytes("png"),
            lambda: plain.remove(jpeg).to_bytes("png"),
            # rembg's protocol always answers the whole photograph as a png; remove.bg's at most 10 megapixels.
            lambda: http_client.post(f"{url}/api/remove", files=file).raise_for_status().content,
        )
        for number in range(rounds + 1):
            order = (0, 1, 2) if number % 2 else (2, 1, 0)  # what follows what must not matter
            taken = {index: _milliseconds(works[index]) for index in order}
            times.append((taken[0], taken[1], taken[2]))
    client_ms, plain_ms, gateway_ms = zip(*times[1:], strict=True)
    differences = [theirs - ours for ours, theirs in zip(client_ms, gateway_ms, strict=True)]
    median = statistics.median
    return Added(median(client_ms), median(plain_ms), median(gateway_ms), median(differences), rounds)


def _milliseconds(work: Callable[[], bytes]) -> float:
    began_s = time.perf_counter()
    assert work()
    return (time.perf_counter() - began_s) * 1e3


def kinds() -> list[Kind]:
    """Requests of every kind, with the answers of a client."""
    small, medium = synthetic_photograph(0.05)[0], synthetic_photograph(0.4)[0]
    with Client(transport=instant_network()) as client:
        cutout, larger = client.remove(small), client.remove(medium)
    encoded = base64.b64encode(small).decode()
    found = [
        Kind("png", _posted(small, size="full"), body=cutout.to_bytes("png")),
        Kind("webp", _posted(small, size="full", format="webp"), body=cutout.to_bytes("webp")),
        Kind("zip", _posted(medium, size="full", format="zip"), body=larger.to_bytes("zip")),
        Kind("jpg", _posted(small, size="full", bg_color="red"), body=cutout.to_bytes("jpeg", background="red")),
        Kind("preview", _posted(medium), body=larger.resized(250_000).to_bytes("png")),
        Kind("crop", _posted(small, size="full", crop="true"), body=cutout.cropped().to_bytes("png")),
        Kind("JSON", _json(size="full", image_file_b64=encoded), body=cutout.to_bytes("png")),
        Kind("urlencoded", _urlencoded(size="full", image_file_b64=encoded), body=cutout.to_bytes("png")),
        Kind("bad field", _posted(small, size="huge"), 400),
        Kind("bad picture", _posted(small[:2000]), 400),
        Kind("no picture", _json(size="full"), 400),
        Kind("leaves early", _left_early(medium), 0),
    ]
    return [each for each in found for _ in range(1 if each.status != 200 else 2)]


def _posted(photograph: bytes, **fields: str) -> Callable[[str], tuple[int, bytes]]:
    def send(url: str) -> tuple[int, bytes]:
        answer = httpx.post(url + _ROUTE, data=fields, files={"image_file": ("a.jpg", photograph)}, timeout=300)
        return answer.status_code, answer.content

    return send


def _json(**fields: str) -> Callable[[str], tuple[int, bytes]]:
    def send(url: str) -> tuple[int, bytes]:
        answer = httpx.post(url + _ROUTE, json=fields, timeout=300)
        return answer.status_code, answer.content

    return send


def _urlencoded(**fields: str) -> Callable[[str], tuple[int, bytes]]:
    def send(url: str) -> tuple[int, bytes]:
        answer = httpx.post(url + _ROUTE, data=fields, timeout=300)
        return answer.status_code, answer.content

    return send


def _left_early(photograph: bytes) -> Callable[[str], tuple[int, bytes]]:
    """Sends a request and closes the connection without waiting for the answer."""
    request = httpx.Request("POST", "http://127.0.0.1" + _ROUTE, files={"image_file": ("a.jpg", photograph)})
    body = request.read()

    def send(url: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=300)
        connection.request("POST", _ROUTE, body, {"Content-Type": request.headers["content-type"]})
        connection.close()
        return 0, b""

    return send


def soak(requests: int) -> Soak:
    """Sends `requests` requests, `AT_ONCE` at a time."""
    mixed = kinds()
    statuses: Counter[str] = Counter()
    different: list[str] = []
    counts: list[int] = []
    memory: list[int] = []

    def one(number: int, url: str) -> tuple[Kind, int, bytes]:
        kind = mixed[number % len(mixed)]
        return (kind, *kind.send(url))

    with gateway() as (url, pid), ThreadPoolExecutor(AT_ONCE) as pool:
        began_s = time.perf_counter()
        for first in range(0, requests, SAMPLE_EVERY):
            numbers = range(first, min(first + SAMPLE_EVERY, requests))
            for kind, status, body in pool.map(lambda number: one(number, url), numbers):
                statuses[str(status or "left")] += 1
                if status not in (kind.status, 503) or (status == 200 and body != kind.body):
                    different.append(f"{kind.name}: {status}")
            _wait_until_idle(url)
            counts.append(numbers.stop)
            memory.append(resident_bytes("VmRSS", pid))
        seconds = time.perf_counter() - began_s
    memory_mb = [round(each / 1e6, 1) for each in memory]
    growth = slope(counts, memory) if len(counts) > 3 else None
    return Soak(requests, round(seconds, 1), dict(sorted(statuses.items())), different, memory_mb, growth)


def _wait_until_idle(url: str) -> None:
    """Waits until nothing is in flight: what is in memory then is what the gateway keeps."""
    while not all(f"tuft_gateway_{name} 0.0" in httpx.get(f"{url}/metrics").text for name in ("waiting", "working")):
        time.sleep(0.02)


def table(data: Mapping[str, Any]) -> str:
    """Both results as Markdown tables."""
    one, many = data["added"], data["soak"]
    title = f"{MEGAPIXELS} megapixels, JPEG to PNG, median of {one['rounds']} rounds"
    times = [
        [title, "ms"],
        ["---", "---:"],
        ["`Client.remove` and `to_bytes`, decoding in a sandbox", f"{one['client_ms']:.0f}"],
        ["the same, decoding in the process", f"{one['plain_ms']:.0f}"],
        ["the gateway over HTTP", f"{one['gateway_ms']:.0f}"],
        ["added: median of the differences of each round", f"{one['added_ms']:.0f}"],
    ]
    load = [
        [f"{many['requests']} requests, {AT_ONCE} at once", ""],
        ["---", "---:"],
        ["answers", ", ".join(f"{count} × {status}" for status, count in many["statuses"].items())],
        ["answers that differ from the client's", str(len(many["different"]))],
        ["growth of memory, MB per 1,000 requests", str(Slope(**many["growth"])) if many["growth"] else ""],
        ["memory at the end, MB", f"{many['memory_mb'][-1]:.0f}" if many["memory_mb"] else ""],
        ["seconds", f"{many['seconds']:.0f}"],
    ]
    return f"{data['machine']}, load before {data['load']}.\n\n{markdown_table(times)}\n\n{markdown_table(load)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs both; returns 1 if an answer differed or failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="%(default)s by default")
    parser.add_argument("--requests", type=int, default=REQUESTS, metavar="N", help="%(default)s by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the numbers are written")
    arguments = parser.parse_args(argv)
    load = round(os.getloadavg()[0], 2)
    one = added(arguments.rounds, synthetic_photograph(MEGAPIXELS)[0])
    many = soak(arguments.requests)
    facts = {"machine": machine(), "load": load, "added": asdict(one), "soak": asdict(many)}
    print(table(facts))
    if arguments.json:
        arguments.json.write_text(json.dumps(facts, indent=1) + "\n")
    return 1 if many.different else 0


if __name__ == "__main__":
    sys.exit(main())
