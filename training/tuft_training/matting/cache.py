"""Makes patches: `python -m tuft_training.matting.cache --first N --count N --output DIR`; what is there stays."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import torch
from tqdm import tqdm

from tuft_export.checkpoints import checkpoint_from_name, load_network
from tuft_training.matting.patches import keep, patches, photographed, picture
from tuft_training.pets import pet_cutouts, pets_folder, split_sets
from tuft_training.predict import predict
from tuft_training.scenery.cutouts import cutout_photographs, cutouts_folder
from tuft_training.scenery.photographs import background_photographs, photographs_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft_training.scenery.arrays import RGB, Field

_PHOTOGRAPH_EVERY: Final = 4  # seeds


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tuft_training.matting.cache", description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="seed of the first picture")
    parser.add_argument("--count", type=int, default=1000, help="pictures")
    parser.add_argument("--output", type=Path, required=True, help="folder of the patches")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    photographs = background_photographs(photographs_folder() / "backgrounds")
    pets = pets_folder()
    stamps = itertools.chain.from_iterable(cutout_photographs(cutouts_folder()).values())
    cutouts = (*stamps, *(pet_cutouts(pets) if pets else ()))
    network = load_network(checkpoint_from_name("demo"))

    def matte(image: RGB, size: int) -> Field:
        return predict(network, image, size)

    for seed in tqdm(range(options.first, options.first + options.count), mininterval=30):
        if not (options.output / f"{seed:07}.npy").exists():
            real = pets is not None and seed % _PHOTOGRAPH_EVERY == 0
            made = photographed(seed, split_sets(pets)) if real else picture(seed, photographs, cutouts)
            found = patches(seed, made, matte)
            if found is not None:
                keep(options.output, seed, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
