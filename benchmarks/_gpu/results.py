"""The results of `gpu.py`: saved after each measurement, printed as tables at the end."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from _lib.markdown_table import markdown_table

from tuft.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Row = dict[str, Any]

OK: Final = "ok"
OUT_OF_MEMORY: Final = "out of memory"
FAILED: Final = "failed"

# For runtimes without an exception class for it.
_MEMORY_WORDS: Final = (
    "out of memory",
    "outofmemory",
    "failed to allocate memory",
    "memory is full",
    "cuda_error_out_of",
)
_REASON_CHARACTERS: Final = 400
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")  # escape sequences
_MIB: Final = 1 << 20


class Results:
    """All measurements so far.

    Args:
        path: JSON file, rewritten after each measurement; None keeps the results in memory.
        heading: Machine, settings and options of the run.
    """

    def __init__(self, path: Path | None, heading: Row) -> None:
        self._path = path
        self.heading = heading
        self.skipped: list[str] = []
        self.parity: list[Row] = []
        self.latency: list[Row] = []
        self.write()

    def skip(self, sentence: str) -> None:
        """Records that something is not measured, with the reason and the remedy."""
        self.skipped.append(sentence)
        self.write()

    def write(self) -> None:
        """Writes the file atomically."""
        if self._path is None:
            return
        content = {**self.heading, "skipped": self.skipped, "parity": self.parity, "latency": self.latency}
        write_atomically(self._path, (json.dumps(content, indent=1) + "\n").encode())

    def __str__(self) -> str:
        """Formats the machine, the skipped parts, and one table each for parity and latency, as Markdown."""
        parts = ["\n".join(f"{name}: {value}" for name, value in self.heading["machine"].items() if value is not None)]
        parts += [f"TF32: {self.heading['settings']['tf32']}."]
        parts += ["\n".join(f"- skipped: {sentence}" for sentence in self.skipped)] if self.skipped else []
        if self.parity:
            parts += ["## Parity with float32 in torch, worst picture", parity_table(self.parity)]
        if self.latency:
            parts += ["## Latency, from and to the device's memory", latency_table(self.latency)]
        return "\n\n".join(parts)


def failure(exc: Exception) -> Row:
    """The record of a combination that failed."""
    reason = " ".join(f"{type(exc).__name__}: {exc}".split())
    of_memory = any(word in reason.lower() for word in _MEMORY_WORDS)
    return {"status": OUT_OF_MEMORY if of_memory else FAILED, "reason": _ends(_COLOURS.sub("", reason))}


def _ends(text: str) -> str:
    """Keeps the beginning and the end of a long text: one of the two has the reason."""
    half = _REASON_CHARACTERS // 2
    return text if len(text) <= 2 * half else f"{text[:half]} … {text[-half:]}"


def parity_table(rows: Sequence[Row]) -> str:
    """One row per contestant and size; `truth` columns compare with exact alpha."""
    head = [
        "network", "size", "contestant", "max", "mean", "> 1/255", "least IoU", "not finite", "batch against singles",
        "IoU of truth", "gradient error of truth",
    ]  # fmt: skip
    return _table(head, 3, [_parity_cells(row) for row in rows])


def latency_table(rows: Sequence[Row]) -> str:
    """One row per contestant, size and batch."""
    head = [
        "network", "size", "batch", "contestant", "median ms", "p95 ms", "images/s", "times the reference",
        "torch peak MiB", "device MiB", "ready s",
    ]  # fmt: skip
    return _table(head, 4, [_latency_cells(row) for row in rows])


def _table(head: list[str], names: int, rows: list[list[str]]) -> str:
    rule = ["---"] * names + ["---:"] * (len(head) - names)
    return markdown_table([head, rule, *rows])


def _parity_cells(row: Row) -> list[str]:
    cells = [row["network"], str(row["size"]), row["contestant"]]
    if row["status"] != OK:
        return [*cells, row["status"], *[""] * 7]
    pictures = row["pictures"].values()
    worst = {name: max(one[name] for one in pictures) for name in ("max_abs", "mean_abs", "off_share")}
    not_finite = sum(one["not_finite"] for one in pictures) + row["batch"]["not_finite"]
    truth = row.get("quality")
    return [
        *cells,
        *(f"{value:.1e}" for value in worst.values()),
        f"{min(one['iou'] for one in pictures):.4f}",
        str(not_finite),
        f"{row['batch']['max_abs']:.1e}",
        *([f"{truth['iou']:.4f}", f"{truth['gradient']:.3f}"] if truth else ["", ""]),
    ]


def _latency_cells(row: Row) -> list[str]:
    cells = [row["network"], str(row["size"]), str(row["batch"]), row["contestant"]]
    if row["status"] != OK:
        return [*cells, row["status"], *[""] * 6]
    ratio = row["times_reference"]
    return [
        *cells,
        f"{row['median_ms']:.2f}" + ("" if row["steady"] else " (unsteady)"),
        f"{row['p95_ms']:.2f}",
        f"{row['images_per_s']:.1f}",
        "" if ratio is None else f"{ratio:.2f}",
        *("" if row[name] is None else f"{row[name] / _MIB:.0f}" for name in ("peak_allocated_bytes", "device_bytes")),
        f"{row['ready_s']:.1f}",
    ]
