"""The pictures: photographs with measured alpha, scenes, composites, and cut-outs over new backgrounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from _lib.cases import Case, composites, held_out_scenes
from PIL import Image

from tuft.imaging.refine import estimate_foreground

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_SCENE_HW: Final = (768, 1024)
_MEGAPIXELS: Final = (2, 4, 8, 12)
_SHARE: Final = 0.9  # of the frame that a cut-out may fill
_NOISE: Final = 2.0


def input_sets(options: Namespace) -> Mapping[str, Callable[[], Iterator[Case]]]:
    """The sets that the options ask for, by name; their pictures are made when they are needed."""
    sets: dict[str, Callable[[], Iterator[Case]]] = {}
    if options.real:
        sets["photographs with measured alpha"] = lambda: _real(options.real)
    if options.scenes:
        sets["held-out scenes"] = lambda: held_out_scenes(options.scenes, _SCENE_HW)
    if options.composites:
        sets["composites"] = lambda: composites(options.composites)
    if options.composites and options.backgrounds:
        sets["cut-outs at 2 to 12 megapixels"] = lambda: _over_new(options.composites, options.backgrounds)
    return sets


def _real(folder: Path) -> Iterator[Case]:
    """`images` and `masks` in `folder`; the colours are what the true alpha leads to, for nobody has measured them."""
    for path in sorted((folder / "images").iterdir()):
        rgb = np.array(Image.open(path).convert("RGB"))
        alpha = np.asarray(Image.open(folder / "masks" / f"{path.stem}.png").convert("L"), np.float32) / 255
        yield Case(path.stem, "real", rgb, alpha, estimate_foreground(rgb, alpha))


def _over_new(subjects: Path, backgrounds: Path) -> Iterator[Case]:
    """The composites' subjects, enlarged, over other photographs, with noise: 2, 4, 8 and 12 megapixels in turn."""
    behind = sorted(backgrounds.iterdir())
    for index, path in enumerate(sorted(subjects.glob("*_fg_rgba.png"))):
        megapixels = _MEGAPIXELS[index % len(_MEGAPIXELS)]
        unit = int((megapixels * 1e6 / 12) ** 0.5)
        size_hw = (3 * unit, 4 * unit)
        colours, alpha = _placed(np.array(Image.open(path).convert("RGBA")), size_hw)
        table = Image.open(behind[(5 * index + 2) % len(behind)]).convert("RGB").resize(size_hw[::-1])
        mixed = alpha[..., None] * colours + (1 - alpha[..., None]) * np.asarray(table, np.float32)
        mixed += np.random.default_rng(index).normal(0, _NOISE, size_hw).astype(np.float32)[..., None]
        photo = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
        name = f"{path.name.removesuffix('_fg_rgba.png')} {megapixels} MP"
        yield Case(name, "cut-out", photo, alpha, np.clip(np.rint(colours), 0, 255).astype(np.uint8))


def _placed(rgba: NDArray[np.uint8], size_hw: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours (H, W, 3) and alpha (H, W) of a cut-out in the middle of the frame."""
    height, width = rgba.shape[:2]
    scale = _SHARE * min(size_hw[0] / height, size_hw[1] / width)
    large = cv2.resize(rgba, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_CUBIC)
    top, left = (size_hw[0] - large.shape[0]) // 2, (size_hw[1] - large.shape[1]) // 2
    rest = (top, size_hw[0] - large.shape[0] - top, left, size_hw[1] - large.shape[1] - left)
    colours = cv2.copyMakeBorder(large[..., :3], *rest, cv2.BORDER_REPLICATE).astype(np.float32)
    alpha = cv2.copyMakeBorder(np.ascontiguousarray(large[..., 3]), *rest, cv2.BORDER_CONSTANT, value=0)
    return colours, alpha.astype(np.float32) / 255
