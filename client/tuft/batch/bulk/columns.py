"""Parquet files, opened so that no thread of arrow's outlives its work."""

from __future__ import annotations

from typing import Any


def parquet_file(file: Any) -> Any:
    """A `pyarrow.parquet.ParquetFile` that reads in the thread that asks.

    Arrow's other threads give bytes back to Python later: one that does while the interpreter ends aborts the process.
    Rows are to be read with `use_threads=False`, too.

    Args:
        file: A file that is open for reading bytes, or an arrow buffer.
    """
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(file, pre_buffer=False)
