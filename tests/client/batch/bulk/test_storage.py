"""Folders and a real S3 server, behind one interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.buckets import s3_server

from tuft.batch.bulk.sources import sources_of
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
