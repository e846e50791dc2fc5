"""Batches of scenes and photographs as tensors, made by worker processes; deterministic for any number of workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from tuft import contract
from tuft_training.pets import Labelled, draw, pet_cutouts, split_sets
from tuft_training.scenery.cutouts import Cutouts, cutout_photographs
from tuft_training.scenery.photographs import background_photographs
from tuft_training.scenery.renders import rendered_subjects
from tuft_training.scenes import Scene, scene
from tuft_training.views import random_view

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from tuft_training.scenery.arrays import RGB

HELD_OUT_SEED: Final = 10**12
"""Scenes from here on are never trained on."""

# From the oversampling factor of scenes to its probability: photographs are usually downscaled too.
_OVERSAMPLING: Final = {1.0: 0.6, 1.5: 0.25, 2.0: 0.15}

_PHOTOGRAPHS: Final = 0.5  # fraction of real photographs, if there are any

# How often subjects of each kind are drawn. By their numbers alone, nine in ten would be animals of the photographs
# or people of the renders.
_CUTOUTS: Final = {"animals": 0.1, "things": 0.2}
_RENDERS: Final = {"animals": 0.05, "things": 0.25, "people": 0.2}
_PETS: Final = 0.2

Sample = tuple["Tensor", "Tensor", "Tensor"]
"""Image [3, H, W], normalised as the network expects, alpha [1, H, W], 0..1, and where it is known [1, H, W], 0 or 1.

All float32.
"""


def image_tensor(image: RGB) -> Tensor:
    """Normalises [H, W, 3] uint8 to float32 [3, H, W] (`tuft.contract.MEAN` and `STD`)."""
    scaled = image.astype(np.float32) / 255
    normalised = (scaled - np.array(contract.MEAN, np.float32)) / np.array(contract.STD, np.float32)
    return torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)))


def reduced(made: Scene, size_px: int) -> Scene:
    """A square scene downscaled to `size_px` by area averaging; unchanged if it has this size."""
    if made.alpha.shape[0] == size_px:
        return made

    def shrunk(picture: NDArray[Any]) -> NDArray[Any]:
        smaller: NDArray[Any] = cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_AREA)
        return smaller

    return Scene(
        image=shrunk(made.image),
        alpha=shrunk(made.alpha),
        foreground=shrunk(made.foreground),
        background=shrunk(made.background),
        category=made.category,
    )


def sample_from_scene(made: Scene) -> Sample:
    """The tensors of one scene, which knows its alpha everywhere."""
    return image_tensor(made.image), torch.from_numpy(made.alpha[None]), torch.ones(1, *made.alpha.shape)


def sample_from_photograph(photograph: Labelled) -> Sample:
    """The tensors of one photograph."""
    return (
        image_tensor(photograph.image),
        torch.from_numpy(photograph.alpha[None]),
        torch.from_numpy(photograph.known[None]),
    )


@dataclass(frozen=True)
class TrainingSet(Dataset[Sample]):
    """Scenes, and views of real photographs, by index.

    Attributes:
        first_seed: Seed of sample 0.
        count: Number of samples.
        size_px: Side of the square samples.
        photographs: Folder of photographs without a subject; None uses none.
        cutouts: Folder of real subjects with alpha; None uses none.
        renders: Folder of rendered subjects with alpha; None uses none.
        pets: Folder of real photographs with masks, which then make up half of the samples; their subjects also appear
            in scenes. None uses none.
    """

    first_seed: int
    count: int
    size_px: int
    photographs: Path | None = None
    cutouts: Path | None = None
    renders: Path | None = None
    pets: Path | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        seed = self.first_seed + index
        rng = np.random.default_rng(seed)
        factor = rng.choice(list(_OVERSAMPLING), p=list(_OVERSAMPLING.values()))
        if self.pets and rng.random() < _PHOTOGRAPHS:
            photograph = draw(rng, split_sets(self.pets)).read()
            return sample_from_photograph(random_view(rng, photograph, self.size_px))
        return sample_from_scene(reduced(self._scene(seed, round(self.size_px * factor)), self.size_px))

    def _scene(self, seed: int, side: int) -> Scene:
        photographs = background_photographs(self.photographs) if self.photographs else ()
        return scene(seed, (side, side), photographs, all_cutouts(self.cutouts, self.renders, self.pets))


def all_cutouts(cutouts: Path | None, renders: Path | None, pets: Path | None) -> tuple[Cutouts, ...]:
    """The subjects for scenes that are in the folders of a `TrainingSet`, by kind."""
    real = cutout_photographs(cutouts) if cutouts else {}
    rendered = rendered_subjects(renders) if renders else {}
    of_pets = pet_cutouts(pets) if pets else ()
    kinds = (
        *(Cutouts(pictures, _CUTOUTS[kind]) for kind, pictures in real.items()),
        *(Cutouts(pictures, _RENDERS[kind], rendered=True) for kind, pictures in rendered.items()),
        Cutouts(of_pets, _PETS),
    )
    return tuple(kind for kind in kinds if kind.pictures)


def loader(dataset: TrainingSet, batch: int, skip: int = 0, workers: int = 0) -> DataLoader[Sample]:
    """Batches in the order of the seeds, after the first `skip` samples; `workers` processes generate them ahead."""
    rest = Subset(dataset, range(skip, len(dataset)))
    return DataLoader(
        rest,
        batch_size=batch,
        num_workers=workers,
        drop_last=True,
        worker_init_fn=_one_thread if workers else None,
        # A process forked from one with OpenVINO threads would deadlock.
        multiprocessing_context="spawn" if workers else None,
        prefetch_factor=4 if workers else None,
    )


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
