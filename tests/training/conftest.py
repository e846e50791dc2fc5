"""Small sets of labelled photographs, as files, and a subject with alpha."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

DUPLICATES = """\
same 0 ('feral_cats', 'cat03.jpg') ('feral_cats', 'cat11.jpg')
same 2 ('feral_cats', 'cat11.jpg') ('feral_cats', 'cat07.jpg')
same 1 ('other', 'cat00.jpg') ('other', 'cat01.jpg')
"""


@pytest.fixture
def disc() -> np.ndarray:
    """An opaque orange disc of 60 pixels in a transparent square of 64."""
    y, x = np.mgrid[:64, :64] - 31.5
    alpha = np.where(np.hypot(x, y) < 30, 255, 0)
    return np.dstack([np.full((64, 64), 240), np.full((64, 64), 120), np.zeros((64, 64)), alpha]).astype(np.uint8)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Thirty cats, two of them equal to a third, and ten trimaps; each a bright disc on dark ground."""
    y, x = np.mgrid[:80, :100]
    for name, count, outer in (("feral_cats", 30, 20), ("oxford_pets", 10, 26)):
        folder = tmp_path / "pets" / name
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True)
        for i in range(count):
            distance = np.hypot(x - 40 - i % 20, y - 40)
            mask = np.where(distance < 20, 255, np.where(distance < outer, 128, 0)).astype(np.uint8)
            image = np.where(distance < outer, 220, 30)[:, :, None].repeat(3, 2).astype(np.uint8)
            stem = f"{name.split('_')[0].replace('feral', 'cat')}{i:02}"
            cv2.imwrite(str(folder / "images" / f"{stem}.webp"), image, (cv2.IMWRITE_WEBP_QUALITY, 101))
            cv2.imwrite(str(folder / "masks" / f"{stem}.png"), mask)
    (tmp_path / "pets" / "feral_cats" / "DUPLICATES.txt").write_text(DUPLICATES)
    return tmp_path / "pets"
