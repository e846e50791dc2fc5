"""Batches in threads: every kind of input and output, faults, and runs that go on where others ended."""

from __future__ import annotations

import io
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import fsspec
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image
from support.buckets import BROKEN, photograph, photographs, s3_server, table

from tuft import Client, FakeTransport, Settings
from tuft.batch.bulk import BatchOptions, BatchReport, run_batch
from tuft.batch.output import Output
from tuft.errors import OptionError, OutputError, ServerTimeoutError, ServerUnreachableError

SETTINGS = Settings(url="localhost:8001", preset="stable", retries=0, breaker_failures=0)


class Network(FakeTransport):
    """Finds what is bright; can be away, and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(lambda image: image.mean(axis=-1).astype(np.float32) / 255)
        self.asked = 0
        self.failures: list[Exception] = []

    def infer(self, *arguments: Any, **named: Any) -> Any:
        self.asked += 1
        if self.failures:
            raise self.failures.pop()
        return super().infer(*arguments, **named)

    def close(self) -> None:
        """Several runs ask it."""


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    monkeypatch.setattr(Client, "from_settings", partial(Client.from_settings, transport=made))
    monkeypatch.setattr("tuft.batch.bulk.cutting._PAUSES_S", (0.0,))
    return made


def run(input: Path | str, output: Path | str, options: BatchOptions | None = None, **more: Any) -> BatchReport:
    return run_batch(input, output, options, **{"settings": SETTINGS, **more})


def is_cut_out(data: bytes, number: int) -> bool:
    """Whether a picture is the cut-out of `photograph(number)`, up to two pixels of its edge."""
    alpha = np.asarray(Image.open(io.BytesIO(data)))[..., 3]
    square = (np.asarray(photograph(number))[..., 0] > 0).astype(np.uint8)
    surely, perhaps = cv2.erode(square, np.ones((5, 5))), cv2.dilate(square, np.ones((5, 5)))
    return bool((alpha[surely > 0] == 255).all() and not alpha[perhaps == 0].any())


def test_a_folder_becomes_pictures_and_a_table(network: Network, tmp_path: Path) -> None:
    keys = photographs(tmp_path / "in", 12, broken=(3,))
    seen: list[str] = []
    report = run(tmp_path / "in", tmp_path / "out", on_rows=lambda rows: seen.extend(row.input for row in rows))
    assert (report.done, report.errors, report.earlier, bool(report)) == (11, {"NotAnImageError": 1}, 0, False)
    assert sorted(seen) == keys
    rows = {row["input"]: row for row in table(tmp_path / "out")}
    assert sorted(rows) == keys
    for number, key in enumerate(keys):
        row = rows[key]
        if number == 3:
            assert (row["status"], row["error"], row["output"]) == ("failed", "NotAnImageError", None)
            assert key in row["message"]
            continue
        assert (row["status"], row["preset"], row["model"]) == ("done", "stable", "inspyrenet_1024")
        assert row["quality"] > 0
        assert row["milliseconds"] > 0
        assert row["output"] == f"{key}.png"
        assert is_cut_out((tmp_path / "out" / row["output"]).read_bytes(), number)
    files = [path for path in (tmp_path / "out").rglob("*.png") if path.is_file()]
    assert len(files) == 11


@pytest.mark.parametrize("into", ["parquet", "tar"])
def test_small_files_are_packed(network: Network, tmp_path: Path, into: Any) -> None:
    keys = photographs(tmp_path / "in", 11, broken=(3,))
    run(tmp_path / "in", tmp_path / "out", BatchOptions(into=into), group=4)
    found = packed(tmp_path / "out", into)
    assert sorted(found) == [key for key in keys if key != keys[3]]
    assert all(is_cut_out(found[key], number) for number, key in enumerate(keys) if number != 3)
    rows = table(tmp_path / "out")
    shards = {row["output"].partition("/")[0] for row in rows if row["output"]}
    assert len(shards) == 3
    assert shards == {path.name for path in (tmp_path / "out").iterdir()} - {"_tuft", "results.parquet"}


def test_shards_and_tables_that_a_batch_has_written_are_inputs_of_the_next(network: Network, tmp_path: Path) -> None:
    photographs(tmp_path / "in", 5)
    for into, pattern in (("tar", "shard-*.tar"), ("parquet", "part-*.parquet")):
        run(tmp_path / "in", tmp_path / into, BatchOptions(into=into))  # type: ignore[arg-type]
        columns = {"column": "bytes", "key": "input"} if into == "parquet" else {}
        report = run(f"{tmp_path / into}/{pattern}", tmp_path / f"{into}-again", **columns)
        assert report.done == 5


@pytest.mark.parametrize("into", ["pictures", "tar", "parquet"])
def test_from_bucket_to_bucket(network: Network, tmp_path: Path, into: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = photographs(tmp_path / "in", 7, broken=(2,))
    with s3_server(monkeypatch) as bucket:
        bucket.mkdir("shop")
        for key in keys:
            bucket.pipe_file(f"shop/in/{key}", (tmp_path / "in" / key).read_bytes())
        for count in (7, 9):
            for number in range(7, count):
                buffer = io.BytesIO()
                photograph(number).save(buffer, "png")
                bucket.pipe_file(f"shop/in/later/{number}.png", buffer.getvalue())
            report = run("s3://shop/in", "s3://shop/out", BatchOptions(into=into))
            assert (report.done, report.errors, report.earlier) == (
                count - 1,
                {"NotAnImageError": 1},
                (count - 7) and 7,
            )
        bucket.get("shop/out", str(tmp_path / "out"), recursive=True)
        names = bucket.find("shop/in")
    rows = {row["input"]: row for row in table(tmp_path / "out")}
    assert {f"shop/in/{key}" for key in rows} == set(names)
    if into == "pictures":
        assert all((tmp_path / "out" / row["output"]).is_file() for row in rows.values() if row["output"])
    else:
        assert len(packed(tmp_path / "out", into)) == 8
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_options_are_those_of_remove(network: Network, tmp_path: Path) -> None:
    photographs(tmp_path / "in", 1)
    options = BatchOptions(output=Output(crop="0"), background=(255, 0, 0), format="webp", size=384)
    run(tmp_path / "in", tmp_path / "out", options)
    (row,) = table(tmp_path / "out")
    with Image.open(tmp_path / "out" / row["output"]) as found:
        assert (found.format, found.mode, found.size) == ("WEBP", "RGB", (24, 32))
    assert row["model"] == "inspyrenet_384"


def test_a_run_that_is_repeated_does_only_what_is_new(network: Network, tmp_path: Path) -> None:
    photographs(tmp_path / "in", 6, broken=(1,))
    run(tmp_path / "in", tmp_path / "out")
    asked = network.asked
    again = run(tmp_path / "in", tmp_path / "out")
    assert (again.done, again.earlier, network.asked) == (5, 6, asked)
    photographs(tmp_path / "in", 8, broken=(1,))
    more = run(tmp_path / "in", tmp_path / "out")
    assert (more.done, more.earlier, network.asked) == (7, 6, asked + 2)
    anew = run(tmp_path / "in", tmp_path / "out", again=True)
    assert (anew.done, anew.earlier, network.asked) == (7, 0, asked + 9)


def test_a_run_begins_after_the_last_photograph_of_the_one_before(network: Network, tmp_path: Path) -> None:
    photographs(tmp_path / "in", 3)
    run(tmp_path / "in", tmp_path / "out")
    for name in ("000/a.png", "zebra.png"):
        photograph().save(tmp_path / "in" / name)
    seen: list[str] = []
    run(tmp_path / "in", tmp_path / "out", concurrency=1, on_rows=lambda rows: seen.extend(row.input for row in rows))
    assert seen == ["zebra.png", "000/a.png"], "what is new is after what is known, most often"


def test_an_output_is_not_claimed_for_nothing(network: Network, tmp_path: Path) -> None:
    photographs(tmp_path / "in", 2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match="There is no file or folder"):
        run(tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(OptionError, match="There is no photograph in"):
        run(tmp_path / "empty", tmp_path / "out")
    assert run(tmp_path / "in", tmp_path / "out").done == 2


def test_a_folder_does_not_become_its_own_output(network: Network, tmp_path: Path) -> None:
    photographs(tmp_path / "in", 2)
    before = sorted(tmp_path.rglob("*"))
    for input in (tmp_path / "in", tmp_path / "in" / "*.png", tmp_path / "in" / "**/*.png"):
        with pytest.raises(OptionError, match=r"is the input, too, .*: give another output"):
            run(input, tmp_path / "in")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("into", "name"), [("tar", "shard-000001.tar"), ("parquet", "part-00000-of-00001.parquet")])
def test_shards_of_other_programs_stay(network: Network, tmp_path: Path, into: Any, name: str) -> None:
    photographs(tmp_path / "in", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_bytes(b"of a data set")
    run(tmp_path / "in", tmp_path / "out", BatchOptions(into=into))
    assert (tmp_path / "out" / name).read_bytes() == b"of a data set"


def test_another_batch_does_not_mix_with_the_outputs_of_the_first(network: Network, tmp_path: Path) -> None:
    photographs(tmp_path / "in", 1)
    run(tmp_path / "in", tmp_path / "out")
    before = table(tmp_path / "out")
    photographs(tmp_path / "other", 1)
    for changed in ({"input": tmp_path / "other"}, {"options": BatchOptions(size=384)}):
        with pytest.raises(OptionError, match=r"has the cut-outs of another batch .*: give another output, or --again"):
            run(**{"input": tmp_path / "in", "output": tmp_path / "out", **changed})  # type: ignore[arg-type]
    assert table(tmp_path / "out") == before


def test_two_batches_do_not_work_on_one_folder(network: Network, tmp_path: Path) -> None:
    photographs(tmp_path / "in", 2)
    errors: list[str] = []

    def second(_: object) -> None:
        with pytest.raises(OptionError, match="Another batch works on") as caught:
            run(tmp_path / "in", tmp_path / "out")
        errors.append(str(caught.value))

    run(tmp_path / "in", tmp_path / "out", on_rows=second)
    assert len(errors) == 2


def test_a_server_that_comes_back_loses_nothing(network: Network, tmp_path: Path) -> None:
    photographs(tmp_path / "in", 4)
    network.failures = [ServerUnreachableError("It restarts.")] * 9
    assert run(tmp_path / "in", tmp_path / "out", patience_s=600).done == 4


def test_a_server_that_stays_away_ends_the_run_and_no_photograph_is_blamed(
    network: Network, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = photographs(tmp_path / "in", 8)
    network.infer = lambda *_, **__: _raise(ServerUnreachableError("Nothing answers."))  # type: ignore[method-assign]
    with pytest.raises(ServerUnreachableError, match="Nothing answers"):
        run(tmp_path / "in", tmp_path / "out", patience_s=0.0)
    with pytest.raises(ServerUnreachableError, match="Nothing answers"):  # the cause, not that the circuit is open
        run(tmp_path / "in", tmp_path / "out", patience_s=0.2, settings=SETTINGS.overridden(breaker_failures=1))
    assert [record.getMessage() for record in caplog.records] == ["Nothing answers. Asked again for up to 0.2 s."]
    del network.infer
    report = run(tmp_path / "in", tmp_path / "out")
    assert (report.done, report.failed) == (8, 0)
    assert sorted(row["input"] for row in table(tmp_path / "out")) == keys


def test_what_fails_by_the_server_is_tried_again_by_the_next_run_alone(network: Network, tmp_path: Path) -> None:
    photographs(tmp_path / "in", 3)
    network.failures = [ServerTimeoutError("No answer.")] * 3
    first = run(tmp_path / "in", tmp_path / "out", concurrency=1)
    assert (first.done, first.errors) == (2, {"ServerTimeoutError": 1})
    second = run(tmp_path / "in", tmp_path / "out")
    assert (second.done, second.failed, second.earlier) == (3, 0, 2)
    assert len(table(tmp_path / "out")) == 3


def test_a_name_that_cannot_be_written_is_a_failure_of_its_own(network: Network, tmp_path: Path) -> None:
    photographs(tmp_path / "in", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "000").write_bytes(b"A file where the folder of the cut-outs would be.")
    report = run(tmp_path / "in", tmp_path / "out")
    assert report.errors == {"OutputError": 2}, "another name could be written"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError):
        run(tmp_path / "in", tmp_path / "file")


def test_an_input_without_photographs_is_said(network: Network, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(OptionError, match="There is no photograph in"):
        run(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "a.jpg").write_bytes(BROKEN)
    with pytest.raises(OptionError, match="patience is -1"):
        run(tmp_path / "in", tmp_path / "out", patience_s=-1.0)
    with pytest.raises(OptionError, match="There is no engine 'spark': choose one of threads, ray"):
        run(tmp_path / "in", tmp_path / "out", engine="spark")


def packed(output: Path, into: str) -> dict[str, bytes]:
    """The cut-outs in shards, by key; one that is there twice fails."""
    found: dict[str, bytes] = {}
    for file in sorted(output.glob("*-*")):
        for key, data in _in_tar(file) if into == "tar" else _in_parquet(file):
            assert key not in found
            found[key] = data
    return found


def _in_tar(file: Path) -> list[tuple[str, bytes]]:
    import json

    with tarfile.open(file) as tar:
        contents = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    rows = {name.removesuffix(".json"): json.loads(data) for name, data in contents.items() if name.endswith(".json")}
    for stem, row in rows.items():
        assert "." not in stem, "WebDataset takes the rest of the name for the kind"
        assert row["output"] == f"{file.name}/{stem}.png"
    return [(row["input"], contents[f"{stem}.png"]) for stem, row in rows.items()]


def _in_parquet(file: Path) -> list[tuple[str, bytes]]:
    return [(row["input"], row["bytes"]) for row in pyarrow.parquet.read_table(file).to_pylist()]


def _raise(error: Exception) -> Any:
    raise error
