"""The results table: one row for each photograph, kept as it grows so that a killed batch loses seconds of work.

While a batch runs, rows go into small files in `_tuft/rows`, each written at once. At the end they are merged with the
table, `results.parquet`. A key that has several rows, because two runs overlapped or a run was killed between both
steps, keeps the first that is final.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft import errors
from tuft.batch.bulk.columns import parquet_file
from tuft.batch.bulk.keys import OWN, KeySet, digest
from tuft.batch.bulk.storage import Location
from tuft.concurrency import bounded_map
from tuft.errors import ImageError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TABLE: Final = "results.parquet"
DONE: Final = "done"
FAILED: Final = "failed"
_ROWS: Final = f"{OWN}/rows"
_FLUSH_ROWS: Final = 1_000
_FLUSH_S: Final = 10.0
_READERS: Final = 16
_BATCH_ROWS: Final = 20_000


@dataclass(frozen=True)
class Row:
    """What became of one photograph.

    Attributes:
        input: Its key: its path below INPUT, or what the table names it.
        output: Path of its cut-out below OUTPUT; in shards of tar, `SHARD/MEMBER`; None if there is none.
        status: `done` or `failed`.
        error: Name of the error's class; None if it was done.
        message: The error's message.
        preset: Name of the preset that served.
        model: Name of the model that answered.
        model_version: Version of that model.
        quality: `tuft.Cutout.quality_score`, 0..1.
        milliseconds: From its file to the encoded cut-out.
    """

    input: str
    output: str | None = None
    status: str = FAILED
    error: str | None = None
    message: str | None = None
    preset: str | None = None
    model: str | None = None
    model_version: str | None = None
    quality: float | None = None
    milliseconds: float | None = None


def is_final(status: str, error: str | None) -> bool:
    """Whether a later run leaves a row as it is: it was done, or the photograph itself is at fault."""
    if status == DONE:
        return True
    kind = getattr(errors, error or "", None)
    return isinstance(kind, type) and issubclass(kind, ImageError)


@dataclass(frozen=True)
class Totals:
    """The numbers of a results table.

    Attributes:
        done: Rows with a cut-out.
        errors: From the class of each error to how many photographs failed by it.
    """

    done: int
    errors: Counter[str]

    @property
    def failed(self) -> int:
        """Rows without a cut-out."""
        return sum(self.errors.values())


class Results:
    """The results table of one output, and the rows that are not in it yet. Not for several threads at once.

    Args:
        output: The output's folder or prefix.
    """

    def __init__(self, output: Location) -> None:
        self._arrow()
        self._output = output
        self._table = output / TABLE
        self._pending: list[Row] = []
        self._oldest_s = 0.0

    @staticmethod
    def _arrow() -> Any:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as exc:
            raise SetupError("Batches need pyarrow: pip install 'tuft-matting[buckets]'.") from exc
        return pyarrow

    def add(self, rows: Iterable[Row]) -> None:
        """Adds rows; they are written once there are many, or some seconds have passed.

        Raises:
            OutputError: They cannot be written.
        """
        for row in rows:
            if not self._pending:
                self._oldest_s = time.monotonic()
            self._pending.append(row)
        if len(self._pending) >= _FLUSH_ROWS or (self._pending and time.monotonic() - self._oldest_s >= _FLUSH_S):
            self.flush()

    def flush(self) -> None:
        """Writes the rows that are not written yet.

        Raises:
            OutputError: They cannot be written.
        """
        if not self._pending:
            return
        (self._output / _ROWS / f"{time.time_ns():020}-{uuid.uuid4().hex}.parquet").write(
            _encoded(list(map(asdict, self._pending)))
        )
        self._pending = []

    def done(self) -> KeySet:
        """The keys whose rows are final.

        Raises:
            StorageError: The rows cannot be read.
        """
        return KeySet(digest(key) for table in self._tables("input", "status", "error") for key in _final_keys(table))

    def position(self) -> str:
        """The last key, in the order of names, that the run before this one has worked on; empty if there was none.

        Of a run that came to its end, that is the last of all.

        Raises:
            StorageError: The rows cannot be read.
        """
        parts = self._parts()
        tables = self._of(parts[-1:], "input") if parts else self._of_table("input")
        return max((max(table.column("input").to_pylist(), default="") for table in tables), default="")

    def shards(self) -> set[str]:
        """Names of the shards that rows name.

        Raises:
            StorageError: The rows cannot be read.
        """
        outputs = (row["output"] for batch in self._batches("output") for row in batch)
        return {output.partition("/")[0] for output in outputs if output is not None}

    def is_empty(self) -> bool:
        """Whether there is no row yet.

        Raises:
            StorageError: The output cannot be read.
        """
        return not (self._pending or self._parts() or self._table.exists())

    def clear(self) -> None:
        """Deletes all rows.

        Raises:
            OutputError: They cannot be deleted.
        """
        for part in self._parts():
            part.delete()
        self._table.delete()

    def merge(self) -> Totals:
        """Writes the table: all rows, one for each key, and deletes the small files.

        Raises:
            OutputError: It cannot be written.
            StorageError: The rows cannot be read.
        """
        self.flush()
        parts = self._parts()
        totals = Totals(0, Counter())
        if parts or self._table.exists():
            totals = self._merged()
        for part in parts:
            part.delete()
        return totals

    def _merged(self) -> Totals:
        arrow = self._arrow()
        done, failed = 0, Counter[str]()
        with self._beside() as file:
            with arrow.parquet.ParquetWriter(file, _schema()) as writer:
                for rows in self._unique():
                    done += sum(row["status"] == DONE for row in rows)
                    failed.update(row["error"] or "" for row in rows if row["status"] != DONE)
                    writer.write_table(_table(rows))
            self._table.upload(file)
        return Totals(done, failed)

    def _unique(self) -> Iterator[list[dict[str, Any]]]:
        """One row for each key: the first that is final if there is one, else the first."""
        repeated = KeySet((digest(row["input"]) for rows in self._batches("input") for row in rows), least=2)
        final = self.done()
        seen: set[str] = set()
        for rows in self._batches(*(one.name for one in fields(Row))):
            keys = [row["input"] for row in rows]
            kept = []
            for row, comes_again, has_final in zip(rows, repeated.among(keys), final.among(keys), strict=True):
                if comes_again:
                    if row["input"] in seen or (has_final and not _is_final(row)):
                        continue
                    seen.add(row["input"])
                kept.append(row)
            yield kept

    def _beside(self) -> _Temporary:
        return _Temporary(self._output.path if self._output.is_local else None)

    def _parts(self) -> list[Location]:
        return [self._output / _ROWS / name for name in (self._output / _ROWS).names()]

    def _batches(self, *columns: str) -> Iterator[list[dict[str, Any]]]:
        """All rows, those of the table first."""
        return (table.to_pylist() for table in self._tables(*columns))

    def _tables(self, *columns: str) -> Iterator[Any]:
        yield from self._of_table(*columns)
        yield from self._of(self._parts(), *columns)

    def _of_table(self, *columns: str) -> Iterator[Any]:
        if self._table.exists():
            with self._table.opened() as file:
                yield from parquet_file(file).iter_batches(_BATCH_ROWS, columns=list(columns), use_threads=False)

    def _of(self, parts: Sequence[Location], *columns: str) -> Iterator[Any]:
        for read in bounded_map(parts, Location.read, concurrency=_READERS):
            if read.error is not None:
                raise read.error
            data = self._arrow().BufferReader(read.value)
            yield parquet_file(data).read(columns=list(columns), use_threads=False)


class _Temporary:
    """The path of a temporary file, which is deleted if it is still there at the end."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder

    def __enter__(self) -> str:
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".tuft-", suffix=".part", delete=False) as file:
            self._path = file.name
        return self._path

    def __exit__(self, *_: object) -> None:
        Path(self._path).unlink(missing_ok=True)


def _final_keys(table: Any) -> list[str]:
    """The keys of final rows, by columns: there may be millions."""
    states = list(zip(table.column("status").to_pylist(), table.column("error").to_pylist(), strict=True))
    final = {state: is_final(*state) for state in set(states)}
    keys = table.column("input").to_pylist()
    return [key for key, state in zip(keys, states, strict=True) if final[state]]


def _is_final(row: dict[str, Any]) -> bool:
    return is_final(row["status"], row["error"])


def _schema() -> Any:
    import pyarrow

    numbers = {"quality": pyarrow.float32(), "milliseconds": pyarrow.float32()}
    return pyarrow.schema([(one.name, numbers.get(one.name, pyarrow.string())) for one in fields(Row)])


def _table(rows: Sequence[dict[str, Any]]) -> Any:
    import pyarrow

    return pyarrow.Table.from_pylist(rows, schema=_schema())


def _encoded(rows: Sequence[dict[str, Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(_table(rows), buffer)
    data: bytes = buffer.getvalue().to_pybytes()
    return data
