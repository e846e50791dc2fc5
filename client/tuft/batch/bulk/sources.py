"""What a batch reads: folders and prefixes, tables, and shards of tar, listed lazily and each photograph with a key."""

from __future__ import annotations

import csv
import io
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tuft.batch.bulk.columns import parquet_file
from tuft.batch.bulk.keys import digest
from tuft.batch.bulk.storage import LOCAL, Location
from tuft.batch.inputs import SUFFIXES
from tuft.errors import ImageNotFoundError, ImageTooLargeError, OptionError, TruncatedImageError, TuftError
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAGIC: Final = re.compile(r"[*?\[]")
_TAR: Final = (".tar", ".tar.gz", ".tgz")
_TABLE: Final = (".parquet", ".csv")
# Columns of pictures or of their paths, where none is named.
_COLUMNS: Final = ("bytes", "image", "path", "url", "file", "filename")
_REMEMBERED: Final = 1_000  # names with which a listing has begun
_TABLE_ROWS: Final = 64  # in memory at once: rows may hold whole photographs


@dataclass(frozen=True)
class Item:
    """One photograph of a batch; it has a path, bytes, or the reason why it has neither.

    Attributes:
        key: What tells it from the others, the same in every run.
        path: A path or a URL.
        data: Its bytes.
        size: How many bytes the file has; None if that is not known.
        error: Why it cannot be read.
    """

    key: str
    path: str | None = None
    data: bytes | None = None
    size: int | None = None
    error: TuftError | None = None


@dataclass(frozen=True)
class Prefix:
    """All photographs below a folder or a prefix, or those that a pattern matches.

    Attributes:
        base: The folder.
        pattern: A regular expression for whole paths; None for every file with the suffix of a picture.
        without: A folder that is left out: the output.
    """

    base: Location
    pattern: str | None = None
    without: Location | None = None

    def items(self, most_bytes: int, after: str = "") -> Iterator[Item]:
        """The photographs, in the order of the listing.

        Args:
            most_bytes: A file with more is an item with an error.
            after: A key after which the listing begins; what is before it comes at the end.

        Raises:
            OptionError: There is no such folder.
            StorageError: The storage does not answer.
        """
        matches = None if self.pattern is None else re.compile(self.pattern)
        left_out = self._left_out()
        try:
            for name, size in self._rotated(after):
                path = self.base / name
                if left_out is not None and name.startswith(left_out):
                    continue
                if matches.match(path.path) if matches else _is_photograph(name):
                    yield Item(_text(name), _address(path), size=size, error=_too_large(name, size, most_bytes))
        except ImageNotFoundError as exc:
            raise _missing(self.base) from exc

    def _rotated(self, after: str) -> Iterator[tuple[str, int]]:
        """The listing from `after` to its end, and then from its beginning.

        That ends at names which have been listed already, rather than at those above `after`: so nothing is lost where
        storage has another order, or none. They are several, as one may be deleted meanwhile.
        """
        begun: set[str] = set()
        for name, size in self.base.below(after):
            if len(begun) < _REMEMBERED:
                begun.add(name)
            yield name, size
        for name, size in self.base.below() if after else ():
            if name in begun:
                return
            yield name, size

    def _left_out(self) -> str | None:
        if self.without is None or not self.base.contains(self.without) or self.base == self.without:
            return None
        return f"{self.without.path[len(self.base.path.rstrip('/')) + 1 :].rstrip('/')}/"


@dataclass(frozen=True)
class Table:
    """The rows of a Parquet or CSV file.

    Attributes:
        file: The file.
        column: The column with paths, URLs or bytes; None for the only one of a usual name.
        key: The column with keys; None for the paths, else the numbers of the rows.
    """

    file: Location
    column: str | None = None
    key: str | None = None

    def items(self, most_bytes: int) -> Iterator[Item]:
        """The photographs, in order; of rows with the same key, the first.

        Raises:
            OptionError: There is no such file or column.
            StorageError: The file cannot be read.
        """
        seen: set[bytes] = set()
        name = self.file.path.rpartition("/")[2]
        try:
            with self.file.opened() as file:
                number = 0
                for column, values, keys in self._batches(file):
                    for value, key in zip(values, keys, strict=True):
                        item = self._item(value, key, f"{name}#{number}", column, most_bytes)
                        number += 1
                        if (known := digest(item.key)) not in seen:
                            seen.add(known)
                            yield item
        except ImageNotFoundError as exc:
            raise _missing(self.file) from exc

    def _item(self, value: Any, key: Any, place: str, column: str, most_bytes: int) -> Item:
        path = None
        if isinstance(value, dict):  # as data sets of Hugging Face store pictures
            value, path = value.get("bytes"), value.get("path")
            value = path if value is None else value
        if isinstance(value, str) and value:
            return Item(_text(str(key) if key is not None else value), value)
        named = _text(str(key if key is not None else path or place))
        if not isinstance(value, bytes):
            return Item(named, error=ImageNotFoundError(f"{place} has nothing in the column {column}: fill it."))
        if error := _too_large(place, len(value), most_bytes):
            return Item(named, size=len(value), error=error)
        return Item(named, data=value, size=len(value))

    def _batches(self, file: Any) -> Iterator[tuple[str, Sequence[Any], Sequence[Any]]]:
        import pyarrow

        try:
            yield from self._csv(file) if self.file.path.lower().endswith(".csv") else self._parquet(file)
        except (pyarrow.ArrowInvalid, csv.Error, UnicodeDecodeError) as exc:
            reason = shown(str(exc).splitlines()[0].rstrip("."))
            raise OptionError(f"{self.file} is no table that can be read ({reason}): write it anew.") from exc

    def _parquet(self, file: Any) -> Iterator[tuple[str, Sequence[Any], Sequence[Any]]]:
        table = parquet_file(file)
        column = self._column(table.schema_arrow.names)
        columns = [column] if self.key is None else [column, self.key]
        for batch in table.iter_batches(_TABLE_ROWS, columns=columns, use_threads=False):
            yield column, *self._values(batch, column)

    def _csv(self, file: Any) -> Iterator[tuple[str, Sequence[Any], Sequence[Any]]]:
        """Not by arrow, which takes the key 007 for the number 7, and reads in threads that may abort the process."""
        with io.TextIOWrapper(file, "utf-8-sig", newline="") as lines:
            header = lines.readline()
            if not header.strip():
                raise OptionError(f"{self.file} is empty: give a table with a line of names.")
            separator = max(",;\t", key=header.count)
            names = next(csv.reader([header], delimiter=separator))
            column = self._column(names)
            for row in csv.DictReader(lines, names, delimiter=separator):
                yield column, [row[column] or None], [None if self.key is None else row[self.key] or None]

    def _values(self, batch: Any, column: str) -> tuple[Sequence[Any], Sequence[Any]]:
        values = batch.column(column).to_pylist()
        return values, [None] * len(values) if self.key is None else batch.column(self.key).to_pylist()

    def _column(self, names: Sequence[str]) -> str:
        for wanted in (self.column, self.key):
            if wanted is not None and wanted not in names:
                raise OptionError(f"{self.file} has no column {shown(wanted)}: name one of {shown(', '.join(names))}.")
        if self.column is not None:
            return self.column
        usual = [name for name in names if name.lower() in _COLUMNS]
        if len(usual) == 1 or len(names) == 1:
            return (usual or list(names))[0]
        raise OptionError(f"{self.file} has the columns {shown(', '.join(names))}: name that of the photographs.")


@dataclass(frozen=True)
class Shard:
    """The photographs in a tar file, as WebDataset writes them.

    Attributes:
        file: The file, compressed or not.
    """

    file: Location

    def items(self, most_bytes: int) -> Iterator[Item]:
        """The photographs, in order; the file is read once, from its beginning to its end.

        A file that ends too early has one item more, with the error.

        Raises:
            OptionError: There is no such file.
            StorageError: It cannot be read.
        """
        name = self.file.path.rpartition("/")[2]
        try:
            with self.file.opened() as file:
                yield from self._members(file, name, most_bytes)
        except ImageNotFoundError as exc:
            raise _missing(self.file) from exc

    def _members(self, file: Any, name: str, most_bytes: int) -> Iterator[Item]:
        try:
            with tarfile.open(fileobj=file, mode="r|*", tarinfo=_Member) as tar:
                for member in tar:
                    if not member.isfile() or not _is_photograph(member.name):
                        continue
                    key = _text(f"{name}/{member.name.removeprefix('./')}")
                    if error := _too_large(key, member.size, most_bytes):
                        yield Item(key, size=member.size, error=error)
                        continue
                    content = tar.extractfile(member)
                    assert content is not None
                    yield Item(key, data=content.read(), size=member.size)
        except (tarfile.TarError, EOFError, OSError) as exc:
            if isinstance(exc, OSError) and not isinstance(exc, tarfile.TarError) and exc.errno is not None:
                raise
            text = f"{self.file} is damaged or incomplete ({shown(exc)}): write it anew; what is before that is done."
            yield Item(_text(name), error=TruncatedImageError(text))


class _Member(tarfile.TarInfo):
    """A header; where it is cut off, tarfile alone would take that for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        if len(buf) < tarfile.BLOCKSIZE:
            raise tarfile.ReadError("the mark of its end is missing")
        return super().frombuf(buf, encoding, errors)


Source: TypeAlias = Prefix | Table | Shard


def sources_of(text: str, output: Location, *, column: str | None = None, key: str | None = None) -> list[Source]:
    """What an INPUT means: a folder, a prefix, a pattern, a photograph, tables or shards.

    Args:
        text: A path or a URL, perhaps with `*`, `?`, `[…]` and `**`.
        output: Where outputs go; left out of a folder that holds it.
        column: Of tables, see `Table`.
        key: Of tables, see `Table`.

    Raises:
        OptionError: There is nothing, or `column` and `key` are given for what is no table.
        StorageError: The storage does not answer.
    """
    location = Location.of(text)
    suffix = _suffix(location.path)
    if suffix in _TABLE:
        return [Table(file, column, key) for file in _files(location)]
    if column is not None or key is not None:
        raise OptionError(f"{shown(text)} is no table: leave out the columns, or give a .parquet or .csv file.")
    if suffix in _TAR:
        return [Shard(file) for file in _files(location)]
    if _is_pattern(location):
        return [_pattern(location, output)]
    if location.is_local and not location.exists():
        raise _missing(location)
    if location.is_file():
        parent = location.path.rpartition("/")[0]
        return [Prefix(Location(location.protocol, parent or "/"), re.escape(location.path) + r"\Z")]
    return [Prefix(location, without=output)]


def _is_pattern(location: Location) -> bool:
    return _MAGIC.search(location.path) is not None and not (location.is_local and location.exists())


def _pattern(location: Location, output: Location) -> Prefix:
    from fsspec.utils import glob_translate

    literal = location.path[: _MAGIC.search(location.path).start()]  # type: ignore[union-attr]
    base = Location(location.protocol, literal.rpartition("/")[0] or "/")
    return Prefix(base, glob_translate(location.path), without=output)


def _files(location: Location) -> list[Location]:
    """The files of a name or a pattern, in order."""
    if not _is_pattern(location):
        if not location.exists():
            raise _missing(location)
        return [location]
    found = _pattern(location, location)
    matches = re.compile(found.pattern or "")
    paths = (found.base / name for name, _ in found.base.below())
    files = sorted((path for path in paths if matches.match(path.path)), key=lambda one: one.path)
    if not files:
        raise _missing(location)
    return files


def _suffix(path: str) -> str:
    lowered = path.lower()
    return next((suffix for suffix in (*_TAR, *_TABLE) if lowered.endswith(suffix)), "")


def _is_photograph(name: str) -> bool:
    hidden = any(part.startswith(".") for part in name.removeprefix("./").split("/"))
    return not hidden and name.lower().endswith(SUFFIXES)


def _address(location: Location) -> str:
    return location.path if location.protocol == LOCAL else f"{location.protocol}://{location.path}"


def _text(name: str) -> str:
    """`name` without bytes that are no text, which tables cannot hold."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _too_large(name: str, size: int, most_bytes: int) -> ImageTooLargeError | None:
    if size <= most_bytes:
        return None
    return ImageTooLargeError(f"{shown(name)} has {size} bytes, more than the {most_bytes} allowed: make it smaller.")


def _missing(location: Location) -> OptionError:
    return OptionError(f"There is no file or folder {shown(location)}: check its name.")
