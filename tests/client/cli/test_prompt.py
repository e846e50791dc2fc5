"""The options of `tuft remove` that say which subject is meant."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.two_disks import TwoDisks, pointed_at, redness

from tuft import Client, FakeTransport, contract
from tuft.cli import main

DISKS = TwoDisks()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeTransport:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(DISKS.rgb).save("two.png")
    fake = FakeTransport(redness, mask_from_prompt=pointed_at)
    monkeypatch.setattr(Client, "from_settings", functools.partial(Client.from_settings, transport=fake))
    return fake


def tuft(*arguments: str) -> int:
    """The exit code; argparse raises its own."""
    try:
        return main.main(["remove", "--url", "localhost:8001", *arguments])
    except SystemExit as ended:
        return int(ended.code or 0)


def remove(*arguments: str) -> int:
    return tuft("two.png", "-o", "out.png", *arguments)


def off(truth: np.ndarray) -> float:
    alpha = np.asarray(Image.open("out.png"))[..., 3]
    return float(np.abs(alpha / 255.0 - truth).max())


@pytest.mark.parametrize(
    ("arguments", "truth"),
    [
        (["--point", "90 110"], DISKS.left_alpha),
        (["--point", "230,80"], DISKS.right_alpha),
        (["--box", "190 40 270 120"], DISKS.right_alpha),
        (["--box", "10 20 300 190", "--point", "90 110", "--not-point", "230 80"], DISKS.left_alpha),
        (["--point", "90 110", "--point", "230 80"], np.maximum(DISKS.left_alpha, DISKS.right_alpha)),
    ],
)
def test_the_subject_that_is_pointed_at_is_cut_out(
    fake: FakeTransport, arguments: list[str], truth: np.ndarray
) -> None:
    assert remove(*arguments) == 0
    assert off(truth) < 0.2
    assert contract.DECODER in fake.requests


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--box", "9 9 3 3"], "The box 9 9 3 3 is empty"),
        (["--box", "9 9"], "There is no box '9 9': write x1 y1 x2 y2"),
        (["--point", "left"], "There is no point 'left': write x y"),
        (["--not-point", "5 5"], "add --point"),
        (["--point", "500 5"], "The point 500 5 lies outside of the picture of 320 × 200 pixels"),
        (["--box", "1 1 9 9", "--roi", "0 0 50% 50%"], "leave out roi, or prompt"),
    ],
)
def test_mistakes_are_told_in_one_line(
    fake: FakeTransport, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert remove(*arguments) != 0
    said = capsys.readouterr().err
    assert text in said
    assert "Traceback" not in said
    assert not Path("out.png").exists()


def test_another_prompt_is_another_cut_out(fake: FakeTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder's run is resumed only with the same prompt."""
    monkeypatch.setattr(fake, "close", lambda: None)  # it serves several runs
    Path("in").mkdir()
    Path("two.png").rename("in/two.png")
    for point, truth in (("90 110", DISKS.left_alpha), ("230 80", DISKS.right_alpha)):
        assert tuft("in", "-o", "done", "--point", point) == 0
        (made,) = Path("done").glob("**/*.png")
        assert np.abs(np.asarray(Image.open(made))[..., 3] / 255.0 - truth).max() < 0.2
    before = len(fake.requests)
    assert tuft("in", "-o", "done", "--point", "230 80") == 0
    assert len(fake.requests) == before
