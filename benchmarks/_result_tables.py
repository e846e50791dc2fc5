"""Tables of results whose benchmarks make theirs of something else than their JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from _soak_census import Slope
from _table import markdown

if TYPE_CHECKING:
    from collections.abc import Mapping


def soak(data: Mapping[str, Any]) -> str:
    """What was held at each moment, and by how much memory grew."""
    held = data["held"]
    slopes = {memory.replace("_bytes", "_mb"): str(Slope(**growth)) for memory, growth in data["growth"].items()}
    rows = [["", *held, "a thousand requests"], ["---"] + ["---:"] * (len(held) + 1)]
    names = next(iter(held.values()))
    rows += [[name, *(str(moment[name]) for moment in held.values()), slopes.get(name, "")] for name in names]
    what = f"{data['machine']}; {data['requests']} requests in {data['seconds'] / 60:.0f} minutes."
    return f"{what}\n\n{markdown(rows)}"


def precision(data: Mapping[str, Any]) -> str:
    """A table for each section that was measured."""
    from precision import _EXPORTS, _ISLANDS, _SIZES, table

    columns = {"sizes": _SIZES, "islands": _ISLANDS, "official": _SIZES, "exports": _EXPORTS}
    parts = []
    for section in (name for name in columns if name in data):
        # A bar in a pattern would end the cell.
        rows = [
            {name: value.replace("|", "\\|") if name == "islands" else value for name, value in row.items()}
            for row in data[section]["rows"]
        ]
        parts.append(f"{section.capitalize()}, on {data[section]['machine']}:\n\n{table(rows, columns[section])}")
    return "\n\n".join(parts)
