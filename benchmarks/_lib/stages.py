"""Divides the time of one request, as its caller sees it: the client's stages, and Triton's share of the call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _lib.counters import Counters
    from tuft import Client

Milliseconds = dict[str, float]

# The client's stage `network` is its whole call to the server. Here that is `call`, made up of OF_THE_CALL.
CALL: Final = "call"
OF_THE_CALL: Final = ("wire", "queue", "network")
REST: Final = "rest"  # not in any stage
# Stages that would take as long if the network were called without a server.
ASIDE: Final = ("decode", "refine", "colours", "encode")
_COUNTED_WITHIN_S: Final = 5.0


def cut_out(client: Client, jpeg: bytes, preset: str) -> Milliseconds:
    """Times a cut-out by stage, from JPEG bytes to PNG bytes; the stages add up to the whole time."""
    began_s = time.perf_counter()
    cutout = client.remove(jpeg, preset=preset, fallback=False)
    cut_out_s = time.perf_counter()
    cutout.to_bytes("png")
    ended_s = time.perf_counter()
    return whole(cutout.milliseconds, encode_ms=(ended_s - cut_out_s) * 1e3, whole_ms=(ended_s - began_s) * 1e3)


def whole(client: Mapping[str, float], *, encode_ms: float, whole_ms: float) -> Milliseconds:
    """The client's stages under the names of this module, plus encoding and the rest of the whole time."""
    stages = {CALL if stage == "network" else stage: ms for stage, ms in client.items()}
    stages["encode"] = encode_ms
    return {**stages, REST: whole_ms - sum(stages.values())}


def cut_out_alone(client: Client, jpeg: bytes, preset: str, count: Callable[[], Counters]) -> Milliseconds:
    """Like `cut_out`, with the call divided by the server's counters. The server must have no other clients."""
    before = count()
    stages = cut_out(client, jpeg, preset)
    return divided(stages, _counted_since(before, count))


def _counted_since(before: Counters, count: Callable[[], Counters]) -> Counters:
    """Waits until the server has counted a request: it does so after sending the answer, on a busy machine later."""
    deadline_s = time.monotonic() + _COUNTED_WITHIN_S
    while (counted := count() - before).requests < 1 and time.monotonic() < deadline_s:
        time.sleep(0.001)
    return counted


def divided(stages: Milliseconds, counted: Counters) -> Milliseconds:
    """Replaces the call by `OF_THE_CALL`; `wire` is what the server's counters do not explain, both ends included."""
    queue_ms, network_ms = counted.queue_ms_per_request, counted.network_ms_per_request
    found: Milliseconds = {}
    for stage, ms in stages.items():
        if stage == CALL:
            parts_ms = (ms - queue_ms - network_ms, queue_ms, network_ms)
            found.update(zip(OF_THE_CALL, parts_ms, strict=True))
        else:
            found[stage] = ms
    return found


def call_ms(stages: Mapping[str, float]) -> float:
    """Duration of the whole call, divided or not."""
    return stages[CALL] if CALL in stages else sum(stages[part] for part in OF_THE_CALL)


def around_the_network_ms(stages: Mapping[str, float]) -> float:
    """All stages except `ASIDE`: the network and the cost of reaching it."""
    return sum(ms for stage, ms in stages.items() if stage not in ASIDE)
