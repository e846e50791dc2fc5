"""Real photographs without a subject, which scenes may use as backgrounds and as surfaces.

Besides those that come with the test photographs, `photographs.txt` names some of Debian's packages `tuxpaint-data`,
`lomiri-wallpapers-16.04`, `mate-backgrounds` and `plasma-workspace-wallpapers` (free licences, see training/README.md).
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2

if TYPE_CHECKING:
    from tuft_training.scenery.arrays import RGB

# The composites that measure the network stand on these: training must not have seen them.
HELD_OUT: Final = frozenset({"ajantaCave", "canyondeChelly", "goldenTemple", "machuPicchu", "pontduGard", "sea5"})

_LONG_SIDE_PX: Final = 800
_SHARED: Final = Path("/usr/share")  # where Debian installs pictures


def photographs_folder() -> Path:
    """The folder of test photographs: `TUFT_PHOTOS`, or `shared/photos` beside the checkout."""
    default = Path(__file__).resolve().parents[4] / "shared" / "photos"
    return Path(os.environ.get("TUFT_PHOTOS", default))


@functools.lru_cache(maxsize=1)
def background_photographs(folder: Path) -> tuple[RGB, ...]:
    """The photographs in `folder` and those of Debian's packages, at most 800 pixels long.

    Those that composites stand on are left out; empty if there are none.
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
