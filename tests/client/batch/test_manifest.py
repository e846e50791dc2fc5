from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuft.batch.manifest import DONE, NAME, Entry, Manifest, Source
from tuft.errors import OutputError

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
SOURCES = st.builds(Source, TEXT, st.integers(0, 2**63), st.integers(0, 2**63), TEXT)
ENTRIES = st.builds(Entry, TEXT, TEXT, TEXT, st.none() | SOURCES, *[st.none() | TEXT] * 5)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "dog.jpg"
    file.write_bytes(b"a photograph")
    return file


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def target(out: Path) -> Path:
    file = out / "cats" / "dog.png"
    file.parent.mkdir()
    file.write_bytes(b"a cut-out")
    return file


def done(source: Path, target: Path, options: str = "x") -> Entry:
    sha256 = hashlib.sha256(target.read_bytes()).hexdigest()
    return Entry("cats/dog.png", options, DONE, Source.of(source), sha256)


@given(ENTRIES)
def test_an_entry_is_one_line_that_comes_back(entry: Entry) -> None:
    line = entry.to_line()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert Entry.from_line(line) == entry


@given(entry=ENTRIES, end=st.integers(1, 1000))
def test_part_of_a_line_is_nothing(entry: Entry, end: int) -> None:
    line = entry.to_line()[:-1]
    assert Entry.from_line(line[: -(end % (len(line) - 1)) - 1]) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_other_line_is_nothing(value: object) -> None:
    assert Entry.from_line(json.dumps(value).encode()) is None
    assert Entry.from_line(json.dumps({"source": value, "target": []}).encode()) is None


@given(st.binary())
def test_any_bytes_are_nothing(line: bytes) -> None:
    assert Entry.from_line(line) is None


def test_what_is_recorded_is_done_for_the_next_run(out: Path, source: Path, target: Path) -> None:
    Manifest(out).record(done(source, target))
    assert Manifest(out).is_done(source, target, "x")


def test_other_options_are_not_done(out: Path, source: Path, target: Path) -> None:
    Manifest(out).record(done(source, target))
    assert not Manifest(out).is_done(source, target, "y")


def test_a_changed_or_missing_target_is_not_done(out: Path, source: Path, target: Path) -> None:
    Manifest(out).record(done(source, target))
    target.write_bytes(b"a cut-ouT")
    assert not Manifest(out).is_done(source, target, "x")
    target.unlink()
    assert not Manifest(out).is_done(source, target, "x")


def test_a_changed_source_is_not_done_and_a_moved_or_touched_one_is(
    out: Path, source: Path, target: Path, tmp_path: Path
) -> None:
    Manifest(out).record(done(source, target))
    os.utime(source, (1, 1))
    assert Manifest(out).is_done(source, target, "x")
    moved = source.rename(tmp_path / "cat.jpg")
    assert Manifest(out).is_done(moved, target, "x")
    moved.write_bytes(b"a photographer")
    assert not Manifest(out).is_done(moved, target, "x")
    moved.unlink()
    assert not Manifest(out).is_done(moved, target, "x")


def test_failures_and_smaller_presets_are_not_done(out: Path, source: Path, target: Path) -> None:
    for entry in (
        replace(done(source, target), outcome="ServerBusyError"),
        replace(done(source, target), fallback_reason="no memory"),
        replace(done(source, target), source=None),
        replace(done(source, target), target_sha256=None),
    ):
        Manifest(out).record(entry)
        assert not Manifest(out).is_done(source, target, "x")
    Manifest(out).record(done(source, target))
    assert Manifest(out).is_done(source, target, "x")


@pytest.mark.parametrize("damage", [b"", b"\n", b'{"target": "cats/do', b"\x00" * 4096, b"[1]\n\xff\xfe\n"])
def test_a_damaged_line_costs_only_itself(out: Path, source: Path, target: Path, damage: bytes) -> None:
    Manifest(out).record(done(source, target))
    with (out / NAME).open("ab") as file:
        file.write(damage)
    other = out / "other.png"
    other.write_bytes(b"another")
    entry = replace(done(source, other), target="other.png")
    manifest = Manifest(out)
    assert manifest.is_done(source, target, "x")
    manifest.record(entry)  # on a line of its own, after an incomplete one
    assert Manifest(out).is_done(source, target, "x")
    assert Manifest(out).is_done(source, other, "x")


def test_failures_alone_make_no_folder_and_are_not_lost(out: Path, source: Path, target: Path, tmp_path: Path) -> None:
    late = tmp_path / "late"
    manifest = Manifest(late)
    manifest.record(Entry("a.png", "x", "NotAnImageError", None, error="no picture"))
    assert not late.exists()
    late.mkdir()
    manifest.record(replace(done(source, target), target="b.png"))
    lines = (late / NAME).read_bytes().splitlines()
    assert [json.loads(line)["target"] for line in lines] == ["a.png", "b.png"]


def test_many_threads_and_runs_write_whole_lines(out: Path, source: Path, target: Path) -> None:
    manifests = [Manifest(out), Manifest(out)]

    def write(manifest: Manifest, first: int) -> None:
        for number in range(first, first + 50):
            manifest.record(replace(done(source, target), target=f"{number}.png"))

    threads = [threading.Thread(target=write, args=(manifests[number % 2], 50 * number)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A line that another run is still writing looks incomplete; the blank line that is then inserted is ignored.
    lines = [line for line in (out / NAME).read_bytes().splitlines() if line]
    targets = [entry.target for line in lines if (entry := Entry.from_line(line)) is not None]
    assert sorted(targets) == sorted(f"{number}.png" for number in range(200))
    assert len(targets) == len(lines)


def test_a_manifest_that_cannot_be_read_is_empty_and_one_that_cannot_be_written_is_told(
    out: Path, source: Path, target: Path
) -> None:
    (out / NAME).mkdir()
    manifest = Manifest(out)
    assert not manifest.is_done(source, target, "x")
    with pytest.raises(OutputError, match="is a folder"):
        manifest.record(done(source, target))
