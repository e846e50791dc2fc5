"""Makes `images/output_types.webp`: one cut-out, and what its methods make of it.

Run in a checkout with the extra `local`: `python docs/_output_types.py`. The photograph is scikit-image's cup of
coffee, by Rachel Michetti (CC0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import skimage.data
from PIL import Image

from tuft import Client, Cutout

TILE_WH: Final = (300, 240)
GAP_PX: Final = 8


def pictures(cutout: Cutout) -> list[Image.Image]:
    """What the row shows, in the order of the caption in `python.md`."""
    roomy = cutout.cropped("12%")
    return [
        cutout.as_type("overlay"),
        cutout.as_type("mask"),
        cutout.over("blur"),
        roomy.with_shadow("drop", 60).over("#f4f1ec"),
        cutout.placed("70%", "30% 90%").with_shadow("natural", 70).over("81d4fa"),
    ]


def row(shown: list[Image.Image]) -> Image.Image:
    """The pictures side by side, each reduced to its tile."""
    width, height = TILE_WH
    page = Image.new("RGB", (len(shown) * (width + GAP_PX) - GAP_PX, height), "white")
    for number, picture in enumerate(shown):
        picture = picture.convert("RGB")
        picture.thumbnail(TILE_WH, Image.Resampling.LANCZOS)
        left = number * (width + GAP_PX) + (width - picture.width) // 2
        page.paste(picture, (left, (height - picture.height) // 2))
    return page


if __name__ == "__main__":
    with Client("local") as client:
        cutout = client.remove(skimage.data.coffee(), preset="standard")
    row(pictures(cutout)).save(Path(__file__).parent / "images" / "output_types.webp", quality=85, method=6)
