"""Folders and a real S3 server, behind one interface."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.buckets import s3_server

from tuft.batch.bulk.sources import Prefix, sources_of
from tuft.batch.bulk.storage import Location
from tuft.errors import ImageNotFoundError, OptionError, OutputError, StorageError


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as monkeypatch, s3_server(monkeypatch) as files:
        files.mkdir("shop")
        yield files


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_what_is_written_is_listed_and_read(kind: str, tmp_path: Path, bucket: Any) -> None:
    place = Location.of(tmp_path if kind == "folder" else "s3://shop/written")
    assert place.names() == []
    names = ["b.jpg", "c/d/e.jpg", "é ü%.jpg"]
    for name in names:
        (place / name).write(name.encode())
    assert sorted(place.below()) == sorted((name, len(name.encode())) for name in names)
    assert place.names() == ["b.jpg", "é ü%.jpg"]
    assert [(place / name).read().decode() for name in names] == names
    assert (place / "b.jpg").exists()
    assert (place / "b.jpg").is_file()
    assert not (place / "c").is_file()
    assert (place / "c/d/e.jpg").size() == 9
    (place / "b.jpg").delete()
    (place / "b.jpg").delete()
    assert not (place / "b.jpg").exists()
    with pytest.raises(ImageNotFoundError, match=r"There is no .*b\.jpg"):
        (place / "b.jpg").read()


def test_a_bucket_is_listed_page_by_page(bucket: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    for number in range(25):
        bucket.pipe_file(f"shop/many/{number:05}.jpg", b"")
    monkeypatch.setattr("tuft.batch.bulk.storage._PAGE_KEYS", 10)
    caplog.set_level("INFO", logger="werkzeug")
    caplog.clear()

    def pages() -> int:
        return sum("list-type=2" in record.getMessage() for record in caplog.records)

    (source,) = sources_of("s3://shop/many", Location.of("s3://shop/out"))
    before = pages()
    listing = source.items(1)
    first = next(listing)
    assert pages() - before == 1, "the first photograph starts before the listing is complete"
    assert before <= 1, "whether it is a file is one question at most"
    assert [item.key for item in (first, *listing)] == [f"{number:05}.jpg" for number in range(25)]
    assert pages() - before == 3


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_listing_is_in_order_and_begins_after_any_path(kind: str, tmp_path: Path, bucket: Any) -> None:
    place = Location.of(tmp_path if kind == "folder" else "s3://shop/ordered")
    names = ["a.jpg", "a/b.jpg", "a/b/c.jpg", "a/b0.jpg", "a0.jpg", "z/é.jpg", "z/猫.jpg"]
    for name in names:
        (place / name).write(b"1")
    listed = [name for name, _ in place.below()]
    assert listed == sorted(names)
    for after in (*names, "a/", "a/b/", "a/c", "b", "zz"):
        assert [name for name, _ in place.below(after)] == [name for name in listed if name > after], after


def test_a_batch_that_goes_on_finds_what_is_missing_on_its_first_page(
    bucket: Any, monkeypatch: Any, caplog: Any
) -> None:
    for number in range(25):
        bucket.pipe_file(f"shop/resumed/{number:05}.jpg", b"")
    monkeypatch.setattr("tuft.batch.bulk.storage._PAGE_KEYS", 5)
    caplog.set_level("INFO", logger="werkzeug")
    (source,) = sources_of("s3://shop/resumed", Location.of("s3://shop/out"))
    assert isinstance(source, Prefix)
    caplog.clear()
    listing = source.items(1, after="00021.jpg")
    first = next(listing)
    assert sum("list-type=2" in record.getMessage() for record in caplog.records) == 1
    numbers = [22, 23, 24, *range(22)]
    assert [item.key for item in (first, *listing)] == [f"{number:05}.jpg" for number in numbers]


def test_storage_without_an_order_loses_nothing(bucket: Any) -> None:
    place = Location.of("memory://unordered")
    names = ["b.jpg", "a/c.jpg", "d.jpg"]
    for name in names:
        (place / name).write(b"1")
    for after in ("", "a/c.jpg", "c", "zzz"):
        assert sorted(item.key for item in Prefix(place).items(1, after)) == sorted(names)


def test_a_prefix_is_not_the_beginning_of_a_name(bucket: Any) -> None:
    bucket.pipe_file("shop/cat/a.jpg", b"")
    bucket.pipe_file("shop/cats/b.jpg", b"")
    assert [name for name, _ in Location.of("s3://shop/cat").below()] == ["a.jpg"]


def test_what_is_wrong_with_a_bucket_is_one_sentence(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageNotFoundError, match="There is no s3://no-such-bucket"):
        list(Location.of("s3://no-such-bucket").below())
    monkeypatch.setattr("tuft.batch.bulk.storage._PAUSE_S", 0.0)
    with pytest.raises(OutputError, match=r"s3://no-such-bucket/a cannot be written .*: check the bucket"):
        Location.of("s3://no-such-bucket/a").write(b"")
    with pytest.raises(OptionError, match="tuft reads no nowhere://"):
        Location.of("nowhere://a")
    with pytest.raises(OptionError, match="An empty path"):
        Location.of("")


def test_storage_that_does_not_answer_is_told_from_a_missing_file(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    once = {"retries": {"total_max_attempts": 1}}
    address = f"http://127.0.0.1:{closed_port}"
    files = fsspec.filesystem("s3", endpoint_url=address, key="k", secret="s", config_kwargs=once)
    monkeypatch.setattr(Location, "filesystem", files)
    monkeypatch.setattr(type(files), "retries", 1)
    with pytest.raises(StorageError, match=r"s3://shop/a\.jpg cannot be read"):
        Location("s3", "shop/a.jpg").read()


WITHOUT = "import sys; sys.modules['s3fs'] = None; from tuft.cli import main; main.main(['batch', 's3://shop', 'out'])"


def test_a_library_of_buckets_that_is_missing_is_named_with_its_extra(tmp_path: Path) -> None:
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WITHOUT]
    done = subprocess.run(command, cwd=tmp_path, env=paths, capture_output=True, text=True, check=False)
    assert "s3:// needs a library that is not installed" in done.stderr
    assert done.stderr.endswith("pip install 'tuft-matting[buckets]'.\n")
    assert not list(tmp_path.iterdir())
