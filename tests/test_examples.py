"""The examples do what they say: with a fake transport, and as a user starts them, with a real server."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import skimage.data
from PIL import Image
from support.outputs import mode
from support.server import DemoServer

from tuft import PRESETS, Client, FakeTransport, ServerBusyError

EXAMPLES = Path(__file__).parents[1] / "examples"

ADVANCED = ("default", "maximum", "unrefined", "crisp", "wide", "transparent", "dog.jpg")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "dog.jpg"
    Image.fromarray(skimage.data.chelsea()).save(path, quality=95)
    return path


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module(name)


def test_the_simple_one_is_short() -> None:
    assert len((EXAMPLES / "simple.py").read_text().splitlines()) <= 10


def test_presets_are_served_by_their_models(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = FakeTransport()
    with Client(transport=transport) as client:
        cutouts = example("advanced", monkeypatch).presets(client, photo)
    assert transport.requests == [f"inspyrenet_{size}" for size in (1024, 2048, 1024, 1024, 1536)]
    assert [cutouts[name].preset for name in ("crisp", "wide")] == ["crisp", "wide"]


def test_failures_are_told_apart(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = photo.with_name("text.jpg")
    text.write_text("no picture")
    transport = FakeTransport(failures=[ServerBusyError("The queue is full: ask later.")])
    with Client(transport=transport) as client:
        failures = example("advanced", monkeypatch).many(client, [text, photo], photo.parent)
    (skipped,) = [failure for failure in failures if failure.startswith("text.jpg: skipped, ")]
    (later,) = [failure for failure in failures if failure.startswith("dog.jpg: try again later, ")]
    assert skipped != later


@pytest.mark.parametrize("preset", ["stable", "standard", "high", "auto"])
def test_the_unrolled_pipeline_gives_what_the_client_gives(
    photo: Path, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = FakeTransport()
    rgba = example("expert", monkeypatch).cut_out(str(photo), PRESETS[preset], transport)
    with Client(transport=transport) as client:
        np.testing.assert_array_equal(rgba, client.remove(photo, preset).rgba)
    assert transport.requests[0] == transport.requests[1]


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["simple.py", "dog.jpg", "out.png"], ["out.png"]),
        (
            ["advanced.py", "out", "dog.jpg"],
            [
                f"out/{name}.png"
                for name in ("default", "maximum", "unrefined", "crisp", "wide", "transparent", "dog.jpg")
            ],
        ),
        (["expert.py", "dog.jpg", "out.png", "high"], ["out.png"]),
    ],
    ids=["simple", "advanced", "expert"],
)
def test_examples_run(arguments: list[str], written: list[str], photo: Path, demo_server: DemoServer) -> None:
    script, *rest = arguments
    subprocess.run(
        [sys.executable, str(EXAMPLES / script), *rest],
        cwd=photo.parent,
        env={**os.environ, "TUFT_URL": demo_server.url},
        check=True,
    )
    for path in written:
        assert mode(photo.parent / path) == "RGBA"
