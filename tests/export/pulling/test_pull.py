"""Known models are fetched, proven and published; whatever goes wrong, nothing half is left."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from support import published
from support.adopted import adopted, configurations, in_onnxruntime
from support.files_over_http import Files
from support.published import SIZE, imagenet, logits, network, sigmoid

from tuft import Client
from tuft.errors import SetupError
from tuft.models import MODELS, Download, KnownModel
from tuft.provenance import check_model, read
from tuft_export import pulling
from tuft_export.checkpoints import CHECKPOINTS
from tuft_export.errors import AdoptError, CheckpointError, PublishError
from tuft_export.publishing.publish import PublishOptions, publish
from tuft_export.pulling import PullOptions, cached_path, pull

Making = Callable[[Path], Path]
StandIn = Callable[..., KnownModel]
Truth = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


def pulled(model: KnownModel, repository: Path, **options: Any) -> pulling.Pulled:
    return pull(model, PullOptions(repository, progress=False, **options))


def ben2(path: Path) -> Path:
    """float32 in, 0..1 in float16 out, called by a number."""
    tail = [
        helper.make_node("Sigmoid", ["logits"], ["mask"]),
        helper.make_node("Cast", ["mask"], ["6842"], to=TensorProto.FLOAT16),
    ]
    made = network(path, input_name="onnx::Cast_0", shape=(1, 3, SIZE, SIZE), tail=tail, outputs=["6842"])
    model = onnx.load(made)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save(model, made)
    return made


modnet = partial(published.rmbg_1_4, shape=("batch_size", 3, "height", "width"), opset=11)
anime = partial(published.rmbg_1_4, input_name="img", shape=(1, 3, SIZE, SIZE), opset=11)


def in_unit(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return images.transpose(0, 3, 1, 2) / 255


def by_its_brightest(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    x = images / images.max(axis=(1, 2, 3), keepdims=True)
    return ((x - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(0, 3, 1, 2)


# From the model to a network of its convention, what its authors compute, and whether they keep the aspect ratio.
CONVENTIONS: dict[str, tuple[Making, Truth, str]] = {
    "birefnet-general": (published.birefnet, lambda x: sigmoid(logits(imagenet(x))), "static"),
    "birefnet-hr-matting": (published.birefnet, lambda x: sigmoid(logits(imagenet(x))), "static"),
    "rmbg-1.4": (published.rmbg_1_4, lambda x: sigmoid(logits(in_unit(x) - 0.5)), "static"),
    "rmbg-2.0": (published.rmbg_1_4, lambda x: sigmoid(logits(imagenet(x))), "static"),
    "isnet-general-use": (published.u2net, lambda x: sigmoid(logits(in_unit(x) - 0.5)), "static"),
    "isnet-anime": (anime, lambda x: sigmoid(logits(in_unit(x))), "dynamic"),
    "u2net": (published.u2net, lambda x: sigmoid(logits(by_its_brightest(x))), "static"),
    "silueta": (published.u2net, lambda x: sigmoid(logits(by_its_brightest(x))), "static"),
    "modnet": (modnet, lambda x: sigmoid(logits(in_unit(x) * 2 - 1)), "dynamic"),
    "ben2": (ben2, lambda x: sigmoid(logits(in_unit(x))), "static"),
    "inspyrenet-plus-ultra": (published.rmbg_1_4, lambda x: sigmoid(logits(imagenet(x))), "static"),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_each_convention_is_served_as_its_authors_compute_it(
    name: str, stand_in: StandIn, target: Path, rng: np.random.Generator
) -> None:
    making, truth, resize = CONVENTIONS[name]
    pictures = rng.integers(0, 200, (1, SIZE, SIZE, 3), dtype=np.uint8)
    (folder,) = pulled(stand_in(name, making), target).folders
    assert folder == target / name / "1"
    tolerance = 1e-3 if name == "ben2" else 1e-5  # half a unit of float16
    np.testing.assert_allclose(in_onnxruntime(folder, pictures), truth(pictures)[:, 0], atol=tolerance)
    assert len(check_model(folder.parent)) == 1
    stated = {config.parameters["tuft_resize"].string_value for config in configurations(folder.parent).values()}
    assert stated == {resize}


def test_a_pulled_model_cuts_out_in_this_process(stand_in: StandIn, target: Path, scene: Any) -> None:
    pulled(stand_in("birefnet-general-lite", published.birefnet), target)
    with Client(f"local:{target}") as client:
        cutout = client.remove(scene.rgb, model="birefnet-general-lite")
    assert cutout.model == "birefnet-general-lite"
    assert np.abs(cutout.alpha / 255 - scene.alpha).mean() < 0.04


def test_a_second_pull_asks_no_server(stand_in: StandIn, target: Path, files: Files) -> None:
    model = stand_in("u2netp", published.u2net)
    assert not pulled(model, target).was_there
    files.contents.clear()
    assert pulled(model, target).was_there
    assert len(files.ranges) == 1
    assert not pulled(model, target, again=True).was_there  # from the cache
    assert len(files.ranges) == 1


def test_what_was_changed_since_is_published_again(stand_in: StandIn, target: Path) -> None:
    model = stand_in("u2netp", published.u2net)
    (folder,) = pulled(model, target).folders
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"\0")
    assert not pulled(model, target).was_there
    assert len(check_model(folder.parent)) == 1


def test_a_corrected_row_is_published_anew(stand_in: StandIn, target: Path) -> None:
    model = stand_in("u2netp", published.u2net)
    pulled(model, target)
    assert not pulled(replace(model, normalize="unit"), target).was_there


def test_another_model_of_that_name_stays(stand_in: StandIn, target: Path, tmp_path: Path) -> None:
    theirs = adopted(published.birefnet(tmp_path / "mine.onnx"), target, name="u2netp").folder
    before = (theirs / "provenance.json").read_bytes()
    with pytest.raises(AdoptError, match=r"adopted from mine\.onnx: name another --repository"):
        pulled(stand_in("u2netp", published.u2net), target)
    assert (theirs / "provenance.json").read_bytes() == before


def test_a_broken_connection_is_continued(stand_in: StandIn, target: Path, files: Files) -> None:
    model = stand_in("birefnet-general", published.birefnet)
    half = len(files.contents["/birefnet-general.onnx"]) // 2
    files.cuts = 1
    with pytest.raises(CheckpointError, match="run the same command again"):
        pulled(model, target)
    assert not (target / "birefnet-general").exists()
    pulled(model, target)
    assert files.ranges == [None, f"bytes={half}-"]


def test_a_file_that_was_replaced_meanwhile_is_fetched_from_its_start(
    stand_in: StandIn, target: Path, files: Files, tmp_path: Path
) -> None:
    model = stand_in("birefnet-general", published.birefnet, sha256=None)
    files.cuts = 1
    with pytest.raises(CheckpointError):
        pulled(model, target)
    content = published.birefnet(tmp_path / "newer.onnx", opset=18).read_bytes()
    files.add("birefnet-general.onnx", content)
    pulled(model, target)
    assert cached_path(model).read_bytes() == content


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_another_file_than_the_published_one_is_refused(
    algorithm: str, stand_in: StandIn, target: Path, cache: Path
) -> None:
    wrong = hashlib.new(algorithm, b"").hexdigest()
    model = stand_in("birefnet-general", published.birefnet, **{algorithm: wrong})
    with pytest.raises(CheckpointError, match=f"instead of the published {wrong}, is damaged or not the same file"):
        pulled(model, target)
    assert not (target / "birefnet-general").exists()
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_row_without_a_hash_records_its_own(stand_in: StandIn, target: Path, cache: Path) -> None:
    model = stand_in("birefnet-general", published.birefnet, sha256=None)
    pulled(model, target)
    file = cached_path(model)
    recorded = (file.parent / f"{file.name}.sha256").read_text().strip()
    assert recorded == hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(CheckpointError, match="has changed since it was downloaded: delete"):
        pulled(model, target, again=True)


def test_a_missing_file_and_a_missing_server_are_told(stand_in: StandIn, target: Path, files: Files) -> None:
    model = stand_in("birefnet-general", published.birefnet)
    files.contents.clear()
    with pytest.raises(CheckpointError, match=r"could not be downloaded \(HTTP Error 404: Not Found\)"):
        pulled(model, target)
    nowhere = replace(model, origin=Download("http://127.0.0.1:9/model.onnx"))
    with pytest.raises(CheckpointError, match="refused"):
        pulled(nowhere, target)
    assert not (target / "birefnet-general").exists()


def test_a_page_instead_of_a_model_is_refused(stand_in: StandIn, target: Path, files: Files) -> None:
    model = stand_in("birefnet-general", published.birefnet, sha256=None)
    files.add("birefnet-general.onnx", b"<html>Please log in</html>")
    with pytest.raises(AdoptError, match="is no ONNX file"):
        pulled(model, target)
    assert not (target / "birefnet-general").exists()


def test_a_wrong_activation_is_found_out(stand_in: StandIn, target: Path) -> None:
    with pytest.raises(AdoptError, match=r"are 0\.\.1 already"):
        pulled(stand_in("birefnet-general", published.rmbg_1_4), target)
    assert not (target / "birefnet-general").exists()


def test_what_is_missing_is_told_before_anything_is_fetched(
    stand_in: StandIn, target: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = stand_in("birefnet-general", published.birefnet)
    monkeypatch.setattr(pulling, "find_spec", lambda name: None if name == "onnx" else object())
    with pytest.raises(SetupError, match=re.escape("needs onnx: pip install 'tuft-matting[engines]'.")):
        pulled(model, target)
    assert files.ranges == []


def test_a_checkpoint_that_has_no_onnx_file_says_how_to_get_one(target: Path) -> None:
    with pytest.raises(AdoptError, match=r"export https://\S+\.pth with .*tuft-export adopt FILE --name birefnet-dyn"):
        pulled(MODELS["birefnet-dynamic"], target)


_KILLED = """
import json, os, signal, sys
from dataclasses import replace
from pathlib import Path
from tuft.models import MODELS, Download
from tuft_export import download
from tuft_export.pulling import PullOptions, pull
download._reason = lambda failure: os.kill(os.getpid(), signal.SIGKILL)
model = replace(MODELS["birefnet-general"], origin=Download(**json.loads(sys.argv[1])), size=96)
pull(model, PullOptions(Path(sys.argv[2]), progress=False))
"""


def test_a_pull_that_is_killed_leaves_nothing_half(stand_in: StandIn, target: Path, files: Files, cache: Path) -> None:
    """The connection breaks, and the process is killed before it can say so; the next one continues."""
    model = stand_in("birefnet-general", published.birefnet)
    content = files.contents["/birefnet-general.onnx"]
    files.cuts = 1
    origin = json.dumps({"url": files.add("birefnet-general.onnx", content), "md5": hashlib.md5(content).hexdigest()})
    done = subprocess.run([sys.executable, "-c", _KILLED, origin, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (target / "birefnet-general").exists()
    assert {path.name for path in cache.rglob("*") if path.is_file()} == {
        "birefnet-general.onnx.partial",
        "birefnet-general.onnx.partial.etag",
    }
    pulled(model, target)
    assert files.ranges[-1] == f"bytes={len(content) // 2}-"
    assert read(target / "birefnet-general" / "1").chain[0]["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
def test_a_full_disk_is_told(stand_in: StandIn, target: Path, cache: Path) -> None:
    model = stand_in("birefnet-general", published.birefnet)
    cached_path(model).parent.mkdir(parents=True)
    cached_path(model).with_name("birefnet-general.onnx.partial").symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match="No space left on device"):
        pulled(model, target)
    assert not (target / "birefnet-general").exists()


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> KnownModel:
    """The row of InSPyReNet's fast checkpoint, which is the demo's here."""
    monkeypatch.setitem(CHECKPOINTS, "fast", replace(CHECKPOINTS["demo"], name="fast"))
    return MODELS["inspyrenet-fast"]


def test_a_checkpoint_of_inspyrenet_is_published_as_tufts_own(fast: KnownModel, target: Path) -> None:
    done = pulled(fast, target)
    assert done.folders == (target / "inspyrenet_384" / "1",)
    assert "is published as inspyrenet_384" in str(done)
    assert read(done.folders[0]).chain[0]["name"] == "fast"
    assert pulled(fast, target).was_there


def test_another_checkpoint_is_not_replaced(fast: KnownModel, target: Path) -> None:
    publish(CHECKPOINTS["demo"], PublishOptions(target, sizes=(384,)))
    with pytest.raises(PublishError, match=r"holds the checkpoint demo, which is not replaced: name another --repos"):
        pulled(fast, target)
    assert read(target / "inspyrenet_384" / "1").chain[0]["name"] == "demo"
