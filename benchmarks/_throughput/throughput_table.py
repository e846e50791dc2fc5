"""Formats the JSON of `throughput.py` as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from _lib.load import PERCENTILES
from _lib.markdown_table import markdown_table
from _lib.photographs import described

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MB: Final = 1e6
_PERCENTS: Final = [f"p{percent}" for percent in PERCENTILES]
_SEEN: Final = ["images/s", *_PERCENTS, "queue, mean", "average batch", "server, peak MB", "did not answer"]


def table(data: Mapping[str, Any]) -> str:
    """Formats all measurements; each table follows a sentence that describes it."""
    where = ", ".join([data["machine"], data["server"], f"weights {data['weights']}", *data["parameters"]])
    parts = [f"{where}, load before {data['load']}; preset `{data['preset']}`, {described(data['photographs'])}"]
    loads = {
        "closed": (["callers"], "Photographs, closed loop, milliseconds from JPEG to PNG:"),
        "pictures": (["batch", "callers"], "Ready pictures, closed loop, milliseconds of a request:"),
        "open": (["arrivals/s", "arrivals"], "Photographs, open loop, milliseconds from when a request was due:"),
    }
    for load, (columns, sentence) in loads.items():
        if data[load]:
            parts += [sentence, _load_table(columns, data[load])]
    return "\n\n".join(parts)


def _load_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    written: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "callers": lambda row: str(row["callers"]),
        "batch": lambda row: str(row["batch"]),
        "arrivals/s": lambda row: f"{row['rate_per_s']:.3g}",
        "arrivals": lambda row: str(row["arrivals"]),
    }
    head = [[*columns, *_SEEN], ["---:"] * (len(columns) + len(_SEEN))]
    return markdown_table(head + [[*(written[column](row) for column in columns), *_seen(row)] for row in rows])


def _seen(row: Mapping[str, Any]) -> list[str]:
    times_ms = [f"{row['latency_ms'].get(name, float('nan')):.0f}" for name in _PERCENTS]
    triton, memory = row["triton"], row["server_bytes"]
    return [
        f"{row['images_per_s']:.3g}",
        *times_ms,
        f"{triton['queue_ms']:.0f}",
        f"{triton['average_batch']:.1f}",
        "" if memory is None else f"{memory['peak'] / _MB:.0f}",
        str(sum(row["outcomes"].values()) - row["outcomes"].get("ok", 0)),
    ]
