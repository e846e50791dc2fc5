"""Real photographs without a subject, for the backgrounds and surfaces of scenes.

They are among the test photographs, and in Debian's packages `tuxpaint-data`, `lomiri-wallpapers-16.04`,
`mate-backgrounds` and `plasma-workspace-wallpapers` (free licences, see training/README.md); `photographs.txt` lists
those.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import RGB

# The backgrounds of the composites, on which the network is evaluated; training must not use them.
HELD_OUT: Final = frozenset({"ajantaCave", "canyondeChelly", "goldenTemple", "machuPicchu", "pontduGard", "sea5"})

_LONG_SIDE_PX: Final = 800
_SHARED: Final = Path("/usr/share")  # where Debian installs pictures


def photographs_folder() -> Path:
    """The folder of test photographs: `TUFT_PHOTOS`, or `shared/photos` beside the checkout."""
    default = Path(__file__).resolve().parents[4] / "shared" / "photos"
    return Path(os.environ.get("TUFT_PHOTOS", default))


@functools.lru_cache(maxsize=1)
def background_photographs(folder: Path) -> tuple[RGB, ...]:
    """The photographs in `folder` and those of Debian's packages, at most 800 pixels long; empty if there are none.

    The backgrounds of the composites are excluded.
    """
    paths = sorted(folder.glob("bg_*.*")) if folder.is_dir() else []
    ours = [path for path in paths if path.stem.removeprefix("bg_") not in HELD_OUT]
    listed = Path(__file__).with_name("photographs.txt").read_text().split()
    packaged = [path for path in (_SHARED / name for name in listed) if path.is_file()]
    return tuple(_read(path) for path in (*ours, *packaged))


def _read(path: Path) -> RGB:
    image = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    scale = _LONG_SIDE_PX / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    photograph: RGB = image
    return photograph
