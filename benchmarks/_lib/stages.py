"""Where the time of one request goes, as its caller sees it: the client's stages and, of the call, Triton's part."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _lib.counters import Counters
    from tuft import Client

Milliseconds = dict[str, float]

# What the client calls `network` is its whole call to the server. Here that is `call`, and consists of these:
CALL: Final = "call"
OF_THE_CALL: Final = ("wire", "queue", "network")
REST: Final = "rest"  # what no stage counts
# What tuft does beside the network for its own sake, in any way of calling one.
ASIDE: Final = ("decode", "refine", "colours", "encode")


def cut_out(client: Client, jpeg: bytes, preset: str) -> Milliseconds:
    """By stage, from the first byte of a JPEG to the last of a PNG; together they are the whole time."""
    began_s = time.perf_counter()
    cutout = client.remove(jpeg, preset=preset, fallback=False)
    cut_out_s = time.perf_counter()
    cutout.to_bytes("png")
    ended_s = time.perf_counter()
    return whole(cutout.milliseconds, encode_ms=(ended_s - cut_out_s) * 1e3, whole_ms=(ended_s - began_s) * 1e3)


def whole(client: Mapping[str, float], *, encode_ms: float, whole_ms: float) -> Milliseconds:
    """The client's stages under the names of this module, encoding, and what is left of the whole time."""
    stages = {CALL if stage == "network" else stage: ms for stage, ms in client.items()}
    stages["encode"] = encode_ms
    return {**stages, REST: whole_ms - sum(stages.values())}


def cut_out_alone(client: Client, jpeg: bytes, preset: str, count: Callable[[], Counters]) -> Milliseconds:
    """As `cut_out`, and the call divided by what the server has counted meanwhile: nobody else may ask it."""
    before = count()
    stages = cut_out(client, jpeg, preset)
    return divided(stages, count() - before)


def divided(stages: Milliseconds, counted: Counters) -> Milliseconds:
    """The call as `OF_THE_CALL`: the wire, with both its ends, is what the server has not counted otherwise."""
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
    """The whole call, divided or not."""
    return stages[CALL] if CALL in stages else sum(stages[part] for part in OF_THE_CALL)


def around_the_network_ms(stages: Mapping[str, float]) -> float:
    """All but `ASIDE`: the network, and what it takes to reach it."""
    return sum(ms for stage, ms in stages.items() if stage not in ASIDE)
