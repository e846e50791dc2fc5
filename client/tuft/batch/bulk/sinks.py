"""Where the cut-outs of a batch go: one file each, or many together in Parquet files or shards of tar."""

from __future__ import annotations

import io
import json
import re
import tarfile
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from tuft.batch.bulk.cutting import Cut
from tuft.batch.bulk.keys import GROUP_NAME, group_name, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft.batch.bulk.options import Into
    from tuft.batch.bulk.results import Row
    from tuft.batch.bulk.storage import Location

GROUP: Final = {"pictures": 32, "parquet": 256, "tar": 256}  # photographs that are committed together
MOST_BYTES: Final = 128 << 20  # of a shard, about


class Sink(Protocol):
    """Writes cut-outs. Names come from keys alone, so that a run which is repeated writes the same files."""

    def keep(self, cut: Cut) -> Cut:
        """Called as soon as one cut-out is there, from several threads.

        Raises:
            OutputError: It cannot be written.
        """

    def write(self, cuts: Sequence[Cut]) -> list[Row]:
        """Called with a group of what `keep` has returned; returns their rows.

        Raises:
            OutputError: It cannot be written.
        """

    def owns(self, name: str) -> bool:
        """Whether a file of this name in the output is one that `write` makes of several cut-outs."""


@dataclass(frozen=True)
class Pictures:
    """One file for each cut-out.

    Attributes:
        output: The folder.
        suffix: Of the files.
    """

    output: Location
    suffix: str

    def keep(self, cut: Cut) -> Cut:
        """Writes the cut-out, and lets go of it."""
        if cut.data is None:
            return cut
        name = f"{name_of(cut.row.input)}{self.suffix}"
        (self.output / name).write(cut.data)
        return Cut(replace(cut.row, output=name))

    def write(self, cuts: Sequence[Cut]) -> list[Row]:
        """Their rows."""
        return [cut.row for cut in cuts]

    def owns(self, name: str) -> bool:
        """None is."""
        return False


@dataclass(frozen=True)
class ParquetFiles:
    """Many cut-outs in a Parquet file, in the columns `input`, `bytes` and those of the results.

    Attributes:
        output: The folder.
        suffix: Of the pictures.
    """

    output: Location
    suffix: str

    def keep(self, cut: Cut) -> Cut:
        """Keeps it."""
        return cut

    def write(self, cuts: Sequence[Cut]) -> list[Row]:
        """Writes one file."""
        import pyarrow
        import pyarrow.parquet

        made, rows = _with_output(cuts, f"part-{group_name(cut.row.input for cut in cuts)}.parquet")
        if made:
            values = [{"bytes": cut.data, **asdict(cut.row)} for cut in made]
            table = pyarrow.Table.from_pylist(values).drop_columns(["status", "error", "message", "output"])
            buffer = pyarrow.BufferOutputStream()
            # Pictures are compressed already, and row groups are what readers hold in memory.
            pyarrow.parquet.write_table(table, buffer, row_group_size=32, compression="none")
            (self.output / (made[0].row.output or "")).write(buffer.getvalue().to_pybytes())
        return rows

    def owns(self, name: str) -> bool:
        """`part-`, the name of a group and `.parquet`: the files of other programs are not deleted."""
        return re.fullmatch(rf"part-{GROUP_NAME}\.parquet", name) is not None


@dataclass(frozen=True)
class TarShards:
    """Many cut-outs in a tar file, each beside a JSON file with its row, as WebDataset reads them.

    Attributes:
        output: The folder.
        suffix: Of the pictures.
    """

    output: Location
    suffix: str

    def keep(self, cut: Cut) -> Cut:
        """Keeps it."""
        return cut

    def write(self, cuts: Sequence[Cut]) -> list[Row]:
        """Writes one shard."""
        shard = f"shard-{group_name(cut.row.input for cut in cuts)}.tar"
        made, rows, buffer = [], [], io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for cut in cuts:
                if cut.data is None:
                    rows.append(cut.row)
                    continue
                # WebDataset takes what follows the first point of a name for its kind.
                name = name_of(cut.row.input).replace(".", "%2E")
                row = replace(cut.row, output=f"{shard}/{name}{self.suffix}")
                _add(tar, f"{name}{self.suffix}", cut.data)
                _add(tar, f"{name}.json", json.dumps(asdict(row)).encode())
                made.append(row)
                rows.append(row)
        if made:
            (self.output / shard).write(buffer.getvalue())
        return rows

    def owns(self, name: str) -> bool:
        """`shard-`, the name of a group and `.tar`: the files of other programs are not deleted."""
        return re.fullmatch(rf"shard-{GROUP_NAME}\.tar", name) is not None


def sink_of(into: Into, output: Location, suffix: str) -> Sink:
    """The sink of one kind."""
    kinds: dict[str, Any] = {"pictures": Pictures, "parquet": ParquetFiles, "tar": TarShards}
    sink: Sink = kinds[into](output, suffix)
    return sink


def _with_output(cuts: Sequence[Cut], output: str) -> tuple[list[Cut], list[Row]]:
    named = [cut if cut.data is None else Cut(replace(cut.row, output=output), cut.data) for cut in cuts]
    return [cut for cut in named if cut.data is not None], [cut.row for cut in named]


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
