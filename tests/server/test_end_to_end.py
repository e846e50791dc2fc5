"""Photographs in, cut-outs out, through a real server with the demo checkpoint."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image
from support.outputs import files
from support.server import DemoServer

from tuft import PRESETS, Client, contract
from tuft.cli.main import main

pytestmark = [pytest.mark.server, pytest.mark.slow]

DEMO_BEST = 1024  # the demo gains nothing above it


def jpeg(photo: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=95)
    return file.getvalue()


def test_every_preset_serves_a_photograph(demo_server: DemoServer) -> None:
    photo = skimage.data.coffee()
    with Client(demo_server.url) as client:
        for name, preset in PRESETS.items():
            cutout = client.remove(jpeg(photo), preset=name)
            assert cutout.preset == name
            assert cutout.fallback_reason is None
            assert cutout.model == contract.model_name(min(preset.size or DEMO_BEST, DEMO_BEST))
            assert cutout.rgba.shape == (*photo.shape[:2], 4)
            assert cutout.alpha.std() > 10
            assert not cutout.rgba[cutout.alpha == 0].any()
        for size in (size for size in contract.SIZES if size > DEMO_BEST):
            assert client.remove(photo, size=size).model == contract.model_name(size)


def test_sixteen_at_once_get_what_each_gets_alone(demo_server: DemoServer) -> None:
    photos = [np.roll(skimage.data.astronaut(), 29 * i, axis=1)[: 512 - 9 * i] for i in range(16)]
    with Client(demo_server.url, timeout_s=300) as client:

        def alpha_of(photo: np.ndarray) -> np.ndarray:
            return client.remove(photo, size=384).alpha

        alone = [alpha_of(photo) for photo in photos]
        with ThreadPoolExecutor(16) as pool:
            together = list(pool.map(alpha_of, photos))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_hundred_broken_files_are_a_hundred_lines(
    demo_server: DemoServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], rng: np.random.Generator
) -> None:
    good = jpeg(skimage.data.coffee()[:200, :300])
    (tmp_path / "in").mkdir()
    for i in range(100):
        kept = good[: int(rng.integers(0, len(good) // 2))]
        (tmp_path / "in" / f"broken_{i:03}.jpg").write_bytes(kept)
    (tmp_path / "in" / "good.jpg").write_bytes(good)
    out = tmp_path / "out"
    assert main(["remove", str(tmp_path / "in"), "-o", str(out), "--size", "384", "--url", demo_server.url]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 100
    assert all(line.startswith("tuft: ") and "broken_" in line for line in lines)
    assert files(out) == ["good.png"]
