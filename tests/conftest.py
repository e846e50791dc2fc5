"""Shared fixtures: a seeded generator, a scene with known alpha, and a client without a server."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest
from PIL import Image
from support.sam2 import sam2_folder, sam2_repository  # noqa: F401 (fixtures)
from support.server import demo_server  # noqa: F401 (a fixture)
from support.signals import handle_on_the_threads_own_stack

from tuft import Client, FakeTransport, cli
from tuft.settings import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

# A thread of torch's that waits for another must not keep it from its core: on a busy machine that takes four times as
# long. OpenMP reads this when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Tests must not fail because the machine is busy.
hypothesis.settings.register_profile("tuft", deadline=None)
hypothesis.settings.load_profile("tuft")


@pytest.fixture(autouse=True)
def survives_signals() -> None:
    """Keeps later interrupts from crashing the process after OpenVINO networks have been freed."""
    handle_on_the_threads_own_stack()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)


@dataclass(frozen=True)
class Scene:
    """A disk with a soft edge, composited exactly over a background.

    Attributes:
        rgb: (H, W, 3) uint8 photograph.
        alpha: (H, W) float32 in 0..1, the truth.
        foreground: Colour of the disk, uint8.
        background: Colour behind it, uint8.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    foreground: tuple[int, int, int]
    background: tuple[int, int, int]

    def saliency(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The output of a perfect network for (S, S, 3) uint8: the position between background and foreground."""
        way = np.subtract(self.foreground, self.background, dtype=np.float64)
        return np.clip((image - np.float64(self.background)) @ way / (way @ way), 0, 1).astype(np.float32)


def disk_alpha(size_hw: tuple[int, int], *, radius: float = 0.3, edge_px: float = 4.0) -> NDArray[np.float32]:
    """Alpha of a centred disk with a linear edge; the radius is relative to the short side."""
    rows, columns = np.indices(size_hw, dtype=np.float64)
    distance_px = np.hypot(rows - (size_hw[0] - 1) / 2, columns - (size_hw[1] - 1) / 2)
    return np.clip((radius * min(size_hw) - distance_px) / edge_px + 0.5, 0, 1).astype(np.float32)


@pytest.fixture
def make_scene() -> Callable[..., Scene]:
    """Makes a `Scene` of any size: `make_scene((height, width), edge_px=...)`."""

    def make(size_hw: tuple[int, int] = (120, 160), **options: Any) -> Scene:
        foreground, background = (200, 120, 40), (30, 90, 160)
        alpha = disk_alpha(size_hw, **options)
        mixed = alpha[..., None] * foreground + (1 - alpha[..., None]) * background
        return Scene(np.rint(mixed).astype(np.uint8), alpha, foreground, background)

    return make


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene()


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolates tests from the settings in the developer's environment."""
    for name in (*VARIABLES.values(), "TUFT_CONFIG", "TUFT_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake(scene: Scene) -> FakeTransport:
    """A server whose network is perfect for `scene`."""
    return FakeTransport(scene.saliency)


@pytest.fixture
def client(fake: FakeTransport) -> Iterator[Client]:
    """A client of `fake`."""
    with Client(transport=fake) as made:
        yield made


@pytest.fixture
def server(fake: FakeTransport, monkeypatch: pytest.MonkeyPatch) -> FakeTransport:
    """The server of every client that the command line makes."""
    monkeypatch.setattr(fake, "close", lambda: None)  # several commands may be run
    monkeypatch.setattr(Client, "from_settings", partial(Client.from_settings, transport=fake))
    monkeypatch.setattr(cli.doctor, "connect", lambda url, access: fake)
    monkeypatch.setenv("TUFT_URL", "localhost:8001")  # otherwise the command line looks for a server
    return fake


@pytest.fixture
def closed_port() -> int:
    """A port of this machine without a listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def photos(scene: Any, tmp_path: Path) -> Path:
    """A folder with two photographs, one of them in a subfolder."""
    folder = tmp_path / "photos"
    (folder / "cats").mkdir(parents=True)
    Image.fromarray(scene.rgb).save(folder / "dog.png")
    Image.fromarray(scene.rgb).save(folder / "cats" / "tom.tiff")
    return folder
