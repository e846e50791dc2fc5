"""Makes `images/cutouts.webp`: of each photograph the matte, the cut-out and the cut-out over a colour.

Run in a checkout with the extra `local`: `python docs/_cutouts.py [PHOTO ...]`. Without photographs: those of
scikit-image (NASA's portrait of Eileen Collins, public domain; the cat Chelsea by Stéfan van der Walt, CC0). The
committed picture, by `make ship-demo`: a rooster by Jean Beaufort (CC0), a woman with a dog (Pexels, CC0) and a
moose by Ryan Hagerty (public domain). The demo cuts out these whole, as it does three photographs in four.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import skimage.data
from PIL import Image

from tuft import Client, Cutout

TILE_WIDTH_PX: Final = 360
GAP_PX: Final = 8
SQUARE_PX: Final = 12
COLOUR: Final = "#408270"
TARGET: Final = Path(__file__).parent / "images" / "cutouts.webp"


def row(cutout: Cutout) -> list[Image.Image]:
    """Photograph, matte, cut-out over a chequerboard and over a colour, at the width of a tile."""
    photograph = Image.fromarray(cutout.photo)
    size_wh = TILE_WIDTH_PX, round(TILE_WIDTH_PX * photograph.height / photograph.width)
    small = cutout.as_type().resize(size_wh, Image.Resampling.LANCZOS)
    tiles = [photograph, cutout.as_type("mask"), chequered(small), cutout.over(COLOUR)]
    return [tile.convert("RGB").resize(size_wh, Image.Resampling.LANCZOS) for tile in tiles]


def chequered(cutout: Image.Image) -> Image.Image:
    """An RGBA picture over light and dark squares."""
    board = Image.new("RGBA", cutout.size, "#ffffff")
    for top in range(0, cutout.height, SQUARE_PX):
        for left in range(top % (2 * SQUARE_PX), cutout.width, 2 * SQUARE_PX):
            board.paste("#cccccc", (left, top, left + SQUARE_PX, top + SQUARE_PX))
    return Image.alpha_composite(board, cutout)


def grid(rows: list[list[Image.Image]]) -> Image.Image:
    """The tiles below and beside each other."""
    width = 4 * TILE_WIDTH_PX + 3 * GAP_PX
    height = sum(tiles[0].height for tiles in rows) + GAP_PX * (len(rows) - 1)
    page, top = Image.new("RGB", (width, height), "white"), 0
    for tiles in rows:
        for place, tile in enumerate(tiles):
            page.paste(tile, (place * (TILE_WIDTH_PX + GAP_PX), top))
        top += tiles[0].height + GAP_PX
    return page


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path, nargs="*")
    photographs = parser.parse_args().photographs or [skimage.data.astronaut(), skimage.data.chelsea()]
    with Client("local") as client:
        cutouts = [client.remove(photograph, preset="maximum") for photograph in photographs]
    grid([row(cutout) for cutout in cutouts]).save(TARGET, quality=85, method=6)
