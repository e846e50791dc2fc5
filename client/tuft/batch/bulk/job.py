"""A batch before and after its work: what is done already, what is left, and that nothing is lost or left over."""

from __future__ import annotations

import fnmatch
import itertools
import json
import os
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tuft.batch.bulk.cutting import PATIENCE_S, Cut, Cutter, failed
from tuft.batch.bulk.keys import OWN
from tuft.batch.bulk.results import TABLE, Results, Totals
from tuft.batch.bulk.sinks import GROUP, MOST_BYTES, Sink, sink_of
from tuft.batch.bulk.sources import Item, Prefix, Source, sources_of
from tuft.batch.bulk.storage import Location
from tuft.concurrency import bounded_map
from tuft.errors import ImageNotFoundError, OptionError, OutputError
from tuft.files import ends_all_writing, make_folder
from tuft.text import shown, without_password

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterable, Iterator

    from tuft.batch.bulk.keys import KeySet
    from tuft.batch.bulk.options import BatchOptions
    from tuft.batch.bulk.results import Row
    from tuft.settings import Settings

_JOB: Final = f"{OWN}/job.json"
_LOCK: Final = "lock"
_LEFTOVERS: Final = ".tuft-*.part"
_AT_ONCE: Final = 1_000  # keys that are looked up together


Held = TypeVar("Held", Item, Cut)


@dataclass(frozen=True)
class Job:
    """A batch, as every worker of it knows it.

    Attributes:
        input: As it was given.
        output: As it was given.
        options: What is made of each photograph.
        settings: Of the client.
        column: Of tables: the column of photographs.
        key: Of tables: the column of keys.
        group: How many photographs are committed together.
        concurrency: How many photographs one worker works on at once.
        patience_s: Seconds for which server and storage may be away.
        after: A key after which listings begin: where an earlier run has ended.
    """

    input: str
    output: str
    options: BatchOptions
    settings: Settings
    column: str | None = None
    key: str | None = None
    group: int = 0
    concurrency: int = 2
    patience_s: float = PATIENCE_S
    after: str = ""

    @property
    def place(self) -> Location:
        """The output."""
        return Location.of(self.output)

    @property
    def sources(self) -> list[Source]:
        """What is read.

        Raises:
            OptionError: There is no such input.
            StorageError: Its storage does not answer.
        """
        return sources_of(self.input, self.place, column=self.column, key=self.key)

    @property
    def sink(self) -> Sink:
        """Where cut-outs go."""
        return sink_of(self.options.into, self.place, self.options.suffix)

    def cutter(self, stop: threading.Event | None = None) -> Cutter:
        """What cuts them out, with a client of its own."""
        return Cutter(self.options, self.settings, patience_s=self.patience_s, stop=stop)

    def missing(self, source: Source, done: KeySet) -> Iterator[Item]:
        """The photographs of a source that have no final row.

        Raises:
            OptionError: There is no such input.
            StorageError: The storage does not answer.
        """
        most_bytes = int(self.settings.max_bytes)
        items = source.items(most_bytes, self.after) if isinstance(source, Prefix) else source.items(most_bytes)
        if not len(done):
            yield from items
            return
        for together in _chunks(items, _AT_ONCE, most_bytes=1):
            known = done.among([item.key for item in together])
            yield from (item for item, is_done in zip(together, known, strict=True) if not is_done)

    @property
    def _most(self) -> int:
        return self.group or GROUP[self.options.into]

    def groups(self, items: Iterable[Item]) -> Iterator[list[Item]]:
        """Items in groups, which end early where they hold large photographs."""
        return _chunks(items, self._most)

    def work(self, cutter: Cutter, items: Iterable[Item]) -> Generator[list[Row], None, None]:
        """Cuts out items, a few at once, and writes them; yields their rows, of pictures one by one.

        Raises:
            OutputError: Cut-outs cannot be written.
            ServerError: The server has been away for too long.
            StorageError: The storage has.
        """
        sink = self.sink
        with closing(self._cuts(cutter, items, sink)) as cuts:
            for together in _chunks(cuts, 1 if self.options.into == "pictures" else self._most):
                yield sink.write(together)

    def _cuts(self, cutter: Cutter, items: Iterable[Item], sink: Sink) -> Generator[Cut, None, None]:
        def cut_out(item: Item) -> Cut:
            return sink.keep(cutter.cut(item))

        with closing(bounded_map(items, cut_out, concurrency=self.concurrency, ordered=False)) as worked:
            for result in worked:
                if result.value is not None:
                    yield result.value
                elif result.error is not None and not self._concerns_one(result.error):
                    raise result.error
                else:
                    yield Cut(failed(result.item, result.error))

    def _concerns_one(self, error: Exception) -> bool:
        """Whether a file could not be written because of its own name, so that others can."""
        return isinstance(error, OutputError) and self.place.is_local and not ends_all_writing(error)


@contextmanager
def claimed(job: Job, *, again: bool = False) -> Iterator[Results]:
    """The results of a job's output, which belongs to this process meanwhile; another job's output is refused.

    Args:
        job: The job.
        again: Whether everything is done anew.

    A job that ends for want of an input, before its first row, leaves the output to others.

    Raises:
        OptionError: There is no such input; or the output has the results of another job, or another process works on
            it, or it is the input.
        OutputError: It cannot be written.
        StorageError: It cannot be read.
    """
    if any(isinstance(source, Prefix) and source.base == job.place for source in job.sources):
        raise OptionError(f"{job.place} is the input, too, and cut-outs would be its photographs: give another output.")
    with _locked(job.place):
        results = Results(job.place)
        described = _described(job)
        before = _read(job.place / _JOB)
        if again:
            results.clear()
        elif before is None and (job.place / TABLE).exists():
            raise OptionError(f"{job.place} has a {TABLE} that no batch has written: give another output.")
        elif before not in (None, described):
            raise OptionError(f"{job.place} has the cut-outs of another batch ({_difference(before, described)}): "
                              "give another output, or --again to begin anew.")  # fmt: skip
        (job.place / _JOB).write(json.dumps(described, indent=1).encode())
        try:
            yield results
        except OptionError:
            if results.is_empty():
                (job.place / _JOB).delete()
            raise


def remove_unnamed(job: Job, results: Results) -> None:
    """Deletes shards that no row names: their workers have been killed between both.

    Raises:
        OutputError: They cannot be deleted.
        StorageError: The output cannot be read.
    """
    if job.options.into == "pictures":
        return
    sink, named = job.sink, results.shards()
    for name in job.place.names():
        if sink.owns(name) and name not in named:
            (job.place / name).delete()


def finish(job: Job, results: Results) -> Totals:
    """Writes the results table, and removes what belongs to no row.

    Raises:
        OutputError: It cannot be written.
        StorageError: The rows cannot be read.
    """
    totals = results.merge()
    remove_unnamed(job, results)
    if job.place.is_local:
        _remove_leftovers(job.place.path)
    return totals


def _remove_leftovers(folder: str) -> None:
    """Deletes temporary files of `tuft.files.write_atomically`, whose writers have been killed: no other is at work."""
    for parent, _, files in os.walk(folder):
        for name in fnmatch.filter(files, _LEFTOVERS):
            with suppress(OSError):
                os.unlink(os.path.join(parent, name))  # noqa: PTH108, PTH118 - millions of names


def missing_items(job: Job, done: KeySet) -> Iterator[Item]:
    """All photographs of a job that have no final row.

    Raises:
        OptionError: There is no such input.
        StorageError: The storage does not answer.
    """
    return itertools.chain.from_iterable(job.missing(source, done) for source in job.sources)


def _chunks(held: Iterable[Held], most: int, most_bytes: int = MOST_BYTES) -> Iterator[list[Held]]:
    """Lists of at most `most`, which end early where their data has more than `most_bytes`."""
    chunk: list[Held] = []
    size = 0
    for one in held:
        chunk.append(one)
        size += len(one.data or b"")
        if len(chunk) == most or size >= most_bytes:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _described(job: Job) -> dict[str, Any]:
    described = {"input": _absolute(job.input), "column": job.column, "key": job.key}
    preset = {"preset": job.options.preset or job.settings.preset}
    values: dict[str, Any] = json.loads(json.dumps({**described, **job.options.described(), **preset}))
    return values


def _absolute(text: str) -> str:
    return without_password(str(Location.of(text)))


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    names = [name for name in now if before.get(name) != now[name]] or ["of an older release"]
    return f"{names[0]} was {shown(repr(before.get(names[0])))}"


def _read(file: Location) -> dict[str, Any] | None:
    try:
        values = json.loads(file.read())
    except (ImageNotFoundError, ValueError):
        return None
    return values if isinstance(values, dict) else {}


@contextmanager
def _locked(place: Location) -> Iterator[None]:
    """Keeps a second batch out of a folder of this machine; in a bucket its rows would only be merged."""
    if not place.is_local:
        yield
        return
    import fcntl  # missing on Windows, where only clients are supported

    folder = f"{place.path}/{OWN}"
    make_folder(folder)
    with Path(folder, _LOCK).open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise OptionError(f"Another batch works on {place}: wait for its end, or give another output.") from exc
        yield
