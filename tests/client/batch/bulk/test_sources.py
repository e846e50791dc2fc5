"""What a batch reads, each photograph once and with a key of its own."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from tuft.batch.bulk.sources import Item, sources_of
from tuft.batch.bulk.storage import Location
from tuft.errors import OptionError

NAMES = ["dog.jpg", "cats/tom.PNG", "cats/deep/kit.webp"]


def items(text: str | Path, output: str = "elsewhere", *, most_bytes: int = 1_000, **columns: Any) -> list[Item]:
    sources = sources_of(str(text), Location.of(output), **columns)
    return [item for source in sources for item in source.items(most_bytes)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*NAMES, "notes.txt", ".hidden/a.jpg", "cats/.b.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(name.encode())
    return tmp_path / "in"


def test_a_folder_is_read_with_its_folders_and_without_what_is_hidden_or_no_photograph(folder: Path) -> None:
    found = items(folder)
    assert sorted(item.key for item in found) == sorted(NAMES)
    assert all(item.path is not None and Path(item.path).read_bytes().decode() == item.key for item in found)


def test_the_output_is_no_input(folder: Path) -> None:
    assert [item.key for item in items(folder, str(folder / "cats"))] == ["dog.jpg"]


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [("*.jpg", ["dog.jpg"]), ("**/*.PNG", ["cats/tom.PNG"]), ("cats/**", ["deep/kit.webp", "tom.PNG"])],
)
def test_a_pattern_names_photographs(folder: Path, pattern: str, keys: list[str]) -> None:
    found = [item for item in items(folder / pattern) if "/." not in f"/{item.key}"]
    assert sorted(item.key for item in found) == keys


def test_a_photograph_is_an_input_of_its_own(folder: Path) -> None:
    assert [item.key for item in items(folder / "dog.jpg")] == ["dog.jpg"]


def test_a_name_that_is_no_text_is_a_key_and_a_path(folder: Path) -> None:
    odd = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    (folder / odd).write_bytes(b"odd")
    (item,) = (item for item in items(folder) if item.key.startswith("caf"))
    assert item.key == "caf\\xe9.jpg"
    assert Path(item.path or "").read_bytes() == b"odd"


def test_a_file_with_too_many_bytes_is_not_read(folder: Path) -> None:
    errors = {item.key: type(item.error).__name__ for item in items(folder, most_bytes=8)}
    assert errors == {
        "dog.jpg": "NoneType",
        "cats/tom.PNG": "ImageTooLargeError",
        "cats/deep/kit.webp": "ImageTooLargeError",
    }


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_has_paths_or_urls(tmp_path: Path, suffix: str) -> None:
    paths = ["/srv/a.jpg", "https://example.com/b.jpg", "s3://shop/c.jpg", "/srv/a.jpg"]
    file = written(tmp_path / f"table{suffix}", {"path": paths, "price": [1, 2, 3, 4]})
    found = items(file)
    assert [(item.key, item.path) for item in found] == [(path, path) for path in paths[:3]]
    by_price = items(file, column="path", key="price")
    assert [(item.key, item.path) for item in by_price] == list(zip("1234", paths, strict=True))


def test_a_table_has_bytes_also_as_data_sets_store_them(tmp_path: Path) -> None:
    plain = written(tmp_path / "plain.parquet", {"bytes": [b"one", None, b"x" * 2_000]})
    one, none, large = items(plain)
    assert (one.key, one.data) == ("plain.parquet#0", b"one")
    assert (none.key, type(none.error).__name__) == ("plain.parquet#1", "ImageNotFoundError")
    assert (large.key, type(large.error).__name__) == ("plain.parquet#2", "ImageTooLargeError")
    rows = [{"bytes": b"two", "path": "two.jpg"}, {"bytes": None, "path": "/srv/three.jpg"}]
    nested = written(tmp_path / "nested.parquet", {"image": rows, "label": [0, 1]})
    two, three = items(nested)
    assert (two.key, two.data) == ("two.jpg", b"two")
    assert (three.key, three.path) == ("/srv/three.jpg", "/srv/three.jpg")


@pytest.mark.parametrize(
    "encoded", ["path,sku\n/a.jpg,007\n/b.jpg,NA\n", "\ufeffpath;sku\r\n/a.jpg;007\r\n/b.jpg;NA\r\n"]
)
def test_keys_of_a_csv_file_are_text_as_it_stands_there(tmp_path: Path, encoded: str) -> None:
    (tmp_path / "shop.csv").write_bytes(encoded.encode())
    found = items(tmp_path / "shop.csv", key="sku")
    assert [(item.key, item.path) for item in found] == [("007", "/a.jpg"), ("NA", "/b.jpg")]


def test_a_row_of_a_csv_file_without_a_path_is_said(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("sku,path\n1,/a.jpg\n2\n3,\n")
    found = items(tmp_path / "shop.csv")
    assert [item.key for item in found] == ["/a.jpg", "shop.csv#1", "shop.csv#2"]
    assert [type(item.error).__name__ for item in found] == ["NoneType", "ImageNotFoundError", "ImageNotFoundError"]


@pytest.mark.parametrize(("data", "said"), [(b"", "is empty"), (b"path\n\xff\xfe.jpg\n", "is no table")])
def test_a_csv_file_that_is_none_is_said(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "shop.csv").write_bytes(data)
    with pytest.raises(OptionError, match=said):
        items(tmp_path / "shop.csv")


def test_what_is_wrong_with_a_table_is_one_sentence(tmp_path: Path, folder: Path) -> None:
    file = written(tmp_path / "table.parquet", {"left": ["a"], "right": ["b"]})
    with pytest.raises(OptionError, match="has the columns left, right: name that of the photographs"):
        items(file)
    with pytest.raises(OptionError, match="has no column middle: name one of left, right"):
        items(file, column="middle")
    (tmp_path / "no.parquet").write_bytes(b"none")
    with pytest.raises(OptionError, match="is no table that can be read"):
        items(tmp_path / "no.parquet")
    with pytest.raises(OptionError, match="is no table: leave out the columns"):
        items(folder, column="path")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_shards_of_tar_are_read_from_beginning_to_end(tmp_path: Path, mode: str) -> None:
    suffix = ".tar.gz" if mode == "w:gz" else ".tar"
    for number in range(2):
        shard(tmp_path / f"{number}{suffix}", {"a.jpg": b"a", "a.json": b"{}", "b.png": b"b" * 1_500}, mode)
    found = items(tmp_path / f"*{suffix}")
    assert [item.key for item in found] == [f"{n}{suffix}/{name}" for n in range(2) for name in ("a.jpg", "b.png")]
    assert [item.data for item in found] == [b"a", None] * 2
    assert [type(item.error).__name__ for item in found] == ["NoneType", "ImageTooLargeError"] * 2


def test_a_shard_that_ends_too_early_loses_nothing_that_it_has_and_says_so(tmp_path: Path) -> None:
    file = shard(tmp_path / "cut.tar", {"a.jpg": b"a" * 700, "b.jpg": b"b" * 700}, "w")
    file.write_bytes(file.read_bytes()[:1_900])
    first, last = items(file)
    assert (first.key, first.data) == ("cut.tar/a.jpg", b"a" * 700)
    assert (last.key, type(last.error).__name__) == ("cut.tar", "TruncatedImageError")


@pytest.mark.parametrize("name", ["nothing", "nothing.tar", "nothing*.tar", "nothing.csv", "nothing/*.jpg"])
def test_an_input_that_is_missing_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(OptionError, match=r"There is no file or folder .*nothing"):
        items(tmp_path / name)


def written(file: Path, columns: dict[str, list[Any]]) -> Path:
    table = pyarrow.table(columns)
    if file.suffix == ".csv":
        pyarrow.csv.write_csv(table, file)
    else:
        pyarrow.parquet.write_table(table, file)
    return file


def shard(file: Path, members: dict[str, bytes], mode: Any) -> Path:
    with tarfile.open(file, mode) as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file
