"""Served models are as they were published: any change to any file is found and named."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from support.tiny import PYTHON_MODEL, seal, tiny_repository

from tuft import provenance
from tuft.errors import IntegrityError, SetupError
from tuft.provenance import check_model, check_repository, read, repository_digest, require_digest
from tuft_export.publishing.python_backend import TENSORS_ENTRY

# As `tuft-export publish --runtime python` puts them into a version folder.
PYTHON_FILES = [
    "model.py",
    *(
        f"tuft_runtime/{path.name}"
        for path in sorted(PYTHON_MODEL.parent.glob("*.py"))
        if path != PYTHON_MODEL and path.name != TENSORS_ENTRY
    ),
]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tiny_repository(tmp_path / "models")


@pytest.fixture
def model(repository: Path) -> Path:
    return repository / "inspyrenet_384"


@pytest.fixture
def version(model: Path) -> Path:
    return model / "1"


def canonical_sha256(value: object) -> str:
    """An independent implementation of the format."""
    return hashlib.sha256(json.dumps(value, separators=(",", ":"), sort_keys=True).encode("ascii")).hexdigest()


def forge(version: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a record and makes its digest right again, as an attacker who knows the format would."""
    record = json.loads((version / "provenance.json").read_text())
    change(record)
    del record["digest"]
    record["digest"] = canonical_sha256(record)
    (version / "provenance.json").write_text(json.dumps(record, indent=2) + "\n")


def test_a_record_lists_every_file_of_the_model_with_its_hash(model: Path, version: Path) -> None:
    record = json.loads((version / "provenance.json").read_text())
    files = [path for path in model.rglob("*") if path.stat().st_size and path.is_file()]
    files.remove(version / "provenance.json")
    expected = {os.path.relpath(path, version): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert record["files"] == expected
    assert {"model.onnx", "model.py", "../config.pbtxt", "../configs/python.pbtxt", "../warmup/image"} <= set(expected)
    assert set(PYTHON_FILES) <= set(expected)
    digest = record.pop("digest")
    assert digest == canonical_sha256(record)
    assert (record["schema"], record["model"], record["version"]) == (2, "inspyrenet_384", "1")


def test_a_sound_repository_is_described_line_by_line(tmp_path: Path) -> None:
    records = check_repository(tiny_repository(tmp_path / "models", sizes=(384, 1024)))
    assert [(record.model, record.version) for record in records] == [("inspyrenet_1024", "1"), ("inspyrenet_384", "1")]
    origin, graph = records[1].chain
    assert str(records[1]) == (
        f"inspyrenet_384 1: checkpoint tiny {origin['sha256'][:12]} -> onnx {graph['sha256'][:12]}"
    )
    expected = canonical_sha256([[record.model, record.version, record.digest] for record in records])
    assert provenance.report(records).splitlines()[-1] == f"digest {expected}"
    assert repository_digest(reversed(records)) == expected


@hypothesis.given(st.data())
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_flipped_bit_in_any_file_is_found_and_the_file_named(repository: Path, model: Path, data: Any) -> None:
    files = sorted(path for path in model.rglob("*") if path.is_file() and path.stat().st_size)
    path = data.draw(st.sampled_from(files))
    content = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    path.write_bytes(changed)
    try:
        with pytest.raises(IntegrityError) as failure:
            check_repository(repository)
        assert str(failure.value).startswith(f"{path} ")
        assert str(failure.value).endswith("publish the model again.")
    finally:
        path.write_bytes(content)


def test_every_byte_of_a_record_counts(version: Path) -> None:
    path = version / "provenance.json"
    forge(version, lambda record: record.update(numbers=[1e-7, 10, 0.5, -3], text="é\n/"))
    read(version)
    content = path.read_bytes()
    for bit in range(0, 8 * len(content), 7):  # one or two bits of each byte, each time others
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(IntegrityError):
            read(version)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n",
        lambda text: text.replace(": ", ":"),
        lambda text: text.replace('"schema": 2,', '"schema": 2,\n  "schema": 2,'),
        lambda text: text.replace('"model"', '"mod\\u0065l"', 1),
        lambda text: text.rstrip("\n"),
    ],
)
def test_a_change_that_json_does_not_see_is_seen(version: Path, change: Callable[[str], str]) -> None:
    path = version / "provenance.json"
    text = path.read_text()
    path.write_text(change(text))
    assert json.loads(path.read_text()) == json.loads(text)
    with pytest.raises(IntegrityError, match="has been changed"):
        read(version)


@pytest.mark.parametrize("name", PYTHON_FILES)
def test_a_flipped_bit_in_any_file_of_the_runtime_is_found(model: Path, name: str) -> None:
    path = model / "1" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=rf"1/{name} is not the file that was published"):
        check_model(model)


@pytest.mark.parametrize(
    "name",
    ["1/model.onnx", "1/model.py", "1/tuft_runtime/graph.py", "config.pbtxt", "configs/openvino.pbtxt", "warmup/image"],
)
def test_a_missing_file_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(IntegrityError, match=rf"{name} is missing: publish the model again\.$"):
        check_model(model)


@pytest.mark.parametrize(
    "name",
    [
        "1/model.so",
        "1/deep/er.txt",
        "1/tuft_runtime/more.py",
        "1/.hidden",
        "configs/rogue.pbtxt",
        "numpy.py",
        "01/model.py",
        "warmup/b",
    ],
)
def test_a_file_that_was_not_published_is_named(model: Path, name: str) -> None:
    (model / name).parent.mkdir(parents=True, exist_ok=True)
    (model / name).write_text("")
    with pytest.raises(IntegrityError, match=rf"{name} was not published with the model: delete it, or publish"):
        check_model(model)


def test_a_linked_folder_does_not_hide_its_files(model: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (model / "1" / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="1/more was not published"):
        check_model(model)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(model: Path) -> None:
    (model / "1" / "model.onnx").unlink()
    os.mkfifo(model / "1" / "model.onnx")
    with pytest.raises(IntegrityError, match=r"model\.onnx is not a file"):
        check_model(model)


@pytest.mark.parametrize("folder", ["1", "1/tuft_runtime"])
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_compiled_python_is_refused_for_it_would_run_instead_of_the_source(
    model: Path, tmp_path: Path, kind: str, folder: str
) -> None:
    barrier = model / folder / "__pycache__"
    assert barrier.read_bytes() == b""
    barrier.unlink()
    assert len(check_model(model)) == 1  # it may get lost on the way: what it keeps away is not there
    if kind == "folder":
        barrier.mkdir()
        (barrier / "model.cpython-311.pyc").touch()
    else:
        barrier.symlink_to(tmp_path)
    with pytest.raises(IntegrityError, match=rf"{folder}/__pycache__.* was not published with the model: delete it"):
        check_model(model)


def test_what_an_interrupted_publishing_leaves_is_no_change(model: Path) -> None:
    for name in (".2.partial/model.onnx", ".1.old/model.onnx"):
        (model / name).parent.mkdir()
        (model / name).touch()
    assert len(check_model(model)) == 1


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "is missing"),
        (b"", "is damaged"),
        (b"\xff", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"[]\n", "has been changed"),
        (b'{\n  "model": "inspyrenet_384"\n}\n', "was written by another version of tuft"),
    ],
)
def test_a_record_that_is_none_is_named(version: Path, content: bytes | None, what: str) -> None:
    path = version / "provenance.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IntegrityError) as failure:
        read(version)
    assert str(failure.value).startswith(f"{path} {what}")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda record: record.pop("files"), "is incomplete"),
        (lambda record: record.update(chain=["onnx"]), "is incomplete"),
        (lambda record: record.update(files=[]), "is incomplete"),
        (lambda record: record.update(chain=[]), "is incomplete"),
        (lambda record: record.update(version="2"), "belongs to inspyrenet_384, version 2"),
        (lambda record: record.update(model="inspyrenet_1024"), "belongs to inspyrenet_1024, version 1"),
        (lambda record: record["chain"][1].update({"from": "0" * 64}), "has a chain that does not lead"),
        (lambda record: record["chain"][1].update(sha256="0" * 64), "has a chain that does not lead"),
        (lambda record: record["chain"].pop(0), "has a chain that does not lead"),
        (lambda record: record["chain"].pop(), "has a chain that does not lead"),
        (lambda record: record["chain"].insert(1, record["chain"][0]), "has a chain that does not lead"),
        (lambda record: record["chain"][0].update(kind="onnx"), "has a chain that does not lead"),
    ],
)
def test_a_record_of_something_else_is_refused_though_its_digest_is_right(
    version: Path, change: Callable[[dict[str, Any]], object], what: str
) -> None:
    forge(version, change)
    with pytest.raises(IntegrityError) as failure:
        read(version)
    assert what in str(failure.value)


def test_a_chain_may_end_in_an_engine_and_begin_with_somebody_elses_model(version: Path) -> None:
    (version / "model.onnx").unlink()
    (version / "model.plan").write_bytes(b"plan")
    seal(version)
    assert [link["kind"] for link in read(version).chain] == ["checkpoint", "onnx", "plan"]
    forge(version, lambda record: record["chain"][0].update(kind="model"))
    assert str(read(version)).startswith("inspyrenet_384 1: model tiny ")
    forge(version, lambda record: record["files"].update({"model.plan": "0" * 64}))
    with pytest.raises(IntegrityError, match="does not lead to the served file"):
        read(version)


def test_a_chain_that_does_not_lead_to_the_file_cannot_be_written(version: Path) -> None:
    chain = [dict(link) for link in read(version).chain]
    chain[1]["sha256"] = "0" * 64
    before = (version / "provenance.json").read_bytes()
    with pytest.raises(IntegrityError, match="does not lead to the served file"):
        provenance.write(version, model="inspyrenet_384", version="1", chain=chain)
    assert (version / "provenance.json").read_bytes() == before


def test_versions_share_their_configurations(model: Path) -> None:
    shutil.copytree(model / "1", model / "2")
    with pytest.raises(IntegrityError, match=r"2/provenance\.json belongs to inspyrenet_384, version 1"):
        check_model(model)
    (model / "config.pbtxt").write_text("version_policy { all { } }")
    seal(model / "2")
    assert [record.version for record in check_model(model)] == ["1", "2"]
    (model / "config.pbtxt").write_text("# tampered with")
    with pytest.raises(IntegrityError, match=r"config\.pbtxt is not the file that was published"):
        check_model(model)


def test_the_last_publishing_decides_what_is_shared_whatever_its_number(model: Path) -> None:
    shutil.copytree(model / "1", model / "2")
    seal(model / "2")
    (model / "config.pbtxt").write_text("# another")
    seal(model / "1")
    assert len(check_model(model)) == 2


def test_an_old_version_is_checked_too(model: Path) -> None:
    shutil.copytree(model / "1", model / "10")
    seal(model / "10")
    (model / "1" / "model.py").write_text("# tampered with")
    with pytest.raises(IntegrityError, match=r"1/model\.py is not the file"):
        check_model(model)


def test_a_pinned_digest_stops_even_who_writes_records(repository: Path, version: Path) -> None:
    pinned = repository_digest(check_repository(repository))
    require_digest(check_repository(repository), pinned)
    (version / "model.py").write_text("# tampered with")
    seal(version)
    records = check_repository(repository)
    with pytest.raises(IntegrityError, match=f"digest {repository_digest(records)} instead of {pinned}: publish again"):
        require_digest(records, pinned)


def test_a_pinned_digest_stops_another_set_of_versions(repository: Path, model: Path) -> None:
    pinned = repository_digest(check_repository(repository))
    shutil.copytree(model / "1", model / "2")
    seal(model / "2")
    with pytest.raises(IntegrityError):
        require_digest(check_repository(repository), pinned)


def test_nothing_to_check_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="There is no model repository at"):
        check_repository(tmp_path / "nowhere")
    with pytest.raises(SetupError, match="is published: run `tuft-export publish`"):
        check_repository(tiny_repository(tmp_path / "models", sizes=()))


def test_a_folder_that_hides_is_a_model_to_triton_and_has_to_be_published(repository: Path) -> None:
    (repository / ".hidden" / "1").mkdir(parents=True)
    with pytest.raises(IntegrityError, match=r"\.hidden/1/provenance\.json is missing"):
        check_repository(repository)
