"""The results table: one row for each photograph, however the runs before it ended."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.buckets import table

from tuft.batch.bulk.results import DONE, Results, Row, is_final
from tuft.batch.bulk.storage import Location

ROWS = st.builds(
    Row,
    input=st.sampled_from(["a.jpg", "b/c.jpg", "é.jpg"]),
    status=st.just("failed"),
    error=st.sampled_from(["NotAnImageError", "NoSubjectError", "ServerTimeoutError", "OutputError", "KeyError"]),
) | st.builds(Row, input=st.sampled_from(["a.jpg", "b/c.jpg", "é.jpg"]), status=st.just(DONE), output=st.just("o.png"))


@settings(max_examples=30)
@given(runs=st.lists(st.lists(ROWS, max_size=4), max_size=4), merged=st.sets(st.integers(0, 3)))
def test_each_key_has_one_row_the_first_that_is_final(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[Row]], merged: set[int]
) -> None:
    place = tmp_path_factory.mktemp("out")
    written: dict[str, list[Row]] = {}
    for number, rows in enumerate(runs):
        results = Results(Location.of(place))
        results.add(rows)
        results.flush()
        for row in rows:
            written.setdefault(row.input, []).append(row)
        if number in merged:
            results.merge()
            for key, several in written.items():  # what the table keeps
                written[key] = [next((one for one in several if final(one)), several[0])]
    totals = Results(Location.of(place)).merge()
    if not written:
        assert totals.done == totals.failed == 0
        return
    found = {row["input"]: row for row in table(place)}
    assert len(found) == len(table(place))
    assert found.keys() == written.keys()
    for key, several in written.items():
        assert final(Row(**found[key])) is any(map(final, several))
    assert totals.done == sum(row["status"] == DONE for row in found.values())
    assert totals.done + totals.failed == len(found)
    assert not list((place / "_tuft" / "rows").glob("*"))
    done = Results(Location.of(place)).done()
    assert [key in done for key in written] == [any(map(final, several)) for several in written.values()]


def final(row: Row) -> bool:
    return is_final(row.status, row.error)


def test_a_fault_of_the_photograph_is_final_and_one_of_the_server_is_not() -> None:
    for name in ("NotAnImageError", "ImageTooLargeError", "NoSubjectError", "TruncatedImageError"):
        assert is_final("failed", name)
    for name in ("ServerTimeoutError", "InferenceError", "OutputError", "KeyError", None):
        assert not is_final("failed", name)
    assert is_final("done", None)


def test_rows_are_written_before_they_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuft.batch.bulk.results._FLUSH_S", 0.0)
    results = Results(Location.of(tmp_path))
    row = Row("a.jpg", "a.jpg.png", DONE, preset="high", model="m", model_version="3", quality=0.5, milliseconds=8.0)
    results.add([row])
    results.add([replace(row, input="b.jpg")])
    assert len(list((tmp_path / "_tuft" / "rows").glob("*.parquet"))) == 2
    assert "a.jpg" in Results(Location.of(tmp_path)).done(), "another process sees them"
    results.merge()
    assert [Row(**one) for one in table(tmp_path)] == [row, replace(row, input="b.jpg")]


def test_the_next_run_begins_where_the_last_has_worked(tmp_path: Path) -> None:
    results = Results(Location.of(tmp_path))
    assert results.is_empty()
    assert results.position() == ""
    for keys in (["x.jpg", "y.jpg"], ["b.jpg", "a.jpg"]):
        results.add([Row(key, status=DONE) for key in keys])
        results.flush()
    assert results.position() == "b.jpg"
    results.merge()
    assert results.position() == "y.jpg"
    assert not results.is_empty()


READING = """
import sys, threading
from pathlib import Path
from tuft.batch.bulk.results import DONE, Results, Row
from tuft.batch.bulk.sources import sources_of
from tuft.batch.bulk.storage import Location
place = Location.of(sys.argv[1])
results = Results(place)
for keys in (["a.jpg"], ["b.jpg"]):
    results.add([Row(key, status=DONE) for key in keys])
    results.merge()
results.add([Row("c.jpg", status=DONE)])
results.flush()
Path(sys.argv[1], "table.csv").write_text("path\\na.jpg\\n")

def of_libraries():
    return len(list(Path("/proc/self/task").iterdir())) - threading.active_count()

before = of_libraries()
assert len(results.done()) == 3
for name, columns in (("results.parquet", {"column": "input"}), ("table.csv", {})):
    (source,) = sources_of(f"{sys.argv[1]}/{name}", place, **columns)
    assert list(source.items(1))
print(of_libraries() - before)
"""


def test_no_thread_of_arrow_reads_for_it(tmp_path: Path) -> None:
    """One that gives bytes back while Python ends would abort a batch that has done everything."""
    done = subprocess.run([sys.executable, "-c", READING, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout == "0\n", done.stderr
