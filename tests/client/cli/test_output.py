"""The options of `tuft remove` for frame, edge, shadow and type: files equal what `Cutout` gives for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.outputs import mode

from tuft import Client, Cutout, FakeTransport
from tuft.cli import main


def remove(photos: Path, out: Path, *arguments: str) -> int:
    return main.main(["remove", str(photos / "dog.png"), "--size", "384", "-o", str(out), *arguments])


@pytest.fixture
def cutout(server: FakeTransport, photos: Path) -> Cutout:
    with Client(transport=server) as client:
        return client.remove(photos / "dog.png", size=384)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--crop"], lambda cutout: cutout.cropped().image),
        (["--crop-margin", "10% 5px"], lambda cutout: cutout.cropped("10% 5px").image),
        (["--scale", "50%", "--position", "0% 100%"], lambda cutout: cutout.placed("50%", "0% 100%").image),
        (["--position", "center"], lambda cutout: cutout.placed(position="center").image),
        (["--threshold", "0.3"], lambda cutout: cutout.hardened(0.3).image),
        (["--shadow", "3D", "--shadow-opacity", "80"], lambda cutout: cutout.with_shadow("natural", 80).image),
        (["--crop-margin", "40%", "--shadow", "drop"], lambda cutout: cutout.cropped("40%").with_shadow().image),
        (["--output-type", "mask"], lambda cutout: Image.fromarray(cutout.alpha)),
        (["--output-type", "green"], lambda cutout: cutout.over("#00b140")),
        (["--output-type", "overlay", "--crop"], lambda cutout: cutout.cropped().as_type("overlay")),
        (["--output-type", "foreground"], lambda cutout: cutout.as_type("foreground")),
        (["--background", "0000ff80"], lambda cutout: cutout.over((0, 0, 255, 128))),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_file_is_what_the_cutout_gives(
    cutout: Cutout, photos: Path, tmp_path: Path, arguments: list[str], wanted: Any
) -> None:
    assert remove(photos, tmp_path / "cut.png", *arguments) == 0
    written = Image.open(tmp_path / "cut.png")
    np.testing.assert_array_equal(np.asarray(written), np.asarray(wanted(cutout)))
    assert written.mode == wanted(cutout).mode


def test_a_region_is_all_that_the_network_sees(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    assert remove(photos, tmp_path / "cut.png", "--roi", "0 0 50% 100%") == 0
    alpha = np.asarray(Image.open(tmp_path / "cut.png"))[..., 3]
    assert not alpha[:, alpha.shape[1] // 2 :].any()
    assert alpha[:, : alpha.shape[1] // 2].max() == 255


def test_a_mask_may_be_jpeg(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    assert remove(photos, tmp_path / "mask.jpg", "--output-type", "mask") == 0
    assert mode(tmp_path / "mask.jpg") == "L"


def test_an_earlier_run_counts_only_with_the_same_options(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    sizes = []
    for arguments in (["--crop"], ["--crop"], ["--crop-margin", "9%"], ["--crop-margin", "9%", "--shadow", "drop"]):
        before = len(server.requests)
        assert remove(photos, tmp_path / "out", *arguments) == 0
        sizes.append(len(server.requests) - before)
    assert sizes == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output-type", "map"], "invalid choice"),
        (["--roi", "1 2 3"], "x1 y1 x2 y2"),
        (["--crop-margin", "51%"], "too large"),
        (["--scale", "9%"], "10% to 100%"),
        (["--position", "101%"], "0% to 100%"),
        (["--threshold", "1"], "below 1"),
        (["--threshold", "soft"], "below 1"),
        (["--shadow", "long"], "drop"),
        (["--shadow", "drop", "--shadow-opacity", "101"], "0 to 100"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_values_are_wrong_usage(
    tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        remove(tmp_path, tmp_path / "cut.png", *arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shadow-opacity", "50"], "--shadow drop"),
        (["--output-type", "mask", "--background", "white"], "leave out one"),
        (["--output-type", "mask", "--format", "zip"], "choose png"),
        (["--format", "jpeg", "--background", "ffffff80"], "opaque"),
        (["--roi", "0 0 9999 10"], "reaches beyond"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_do_not_go_together_are_told_and_nothing_is_written(
    server: FakeTransport,
    photos: Path,
    tmp_path: Path,
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert remove(photos, tmp_path / "out", *arguments) == 1
    assert said in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.png"))
    assert not server.requests
