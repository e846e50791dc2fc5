"""Batches of scenes as tensors, made by worker processes, the same for the same seed whatever their number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from tuft import contract
from tuft_training.scenery.cutouts import cutout_photographs
from tuft_training.scenery.photographs import background_photographs
from tuft_training.scenes import Scene, scene

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from tuft_training.scenery.arrays import RGB

HELD_OUT_SEED: Final = 10**12
"""Scenes from here on are never trained on."""

# How many times larger than trained on scenes are made, and how often: photographs, too, arrive reduced.
_OVERSAMPLING: Final = {1.0: 0.6, 1.5: 0.25, 2.0: 0.15}

Sample = tuple["Tensor", "Tensor"]
"""Image float32 [3, H, W], normalised as the network expects, and alpha float32 [1, H, W], 0..1."""


def image_tensor(image: RGB) -> Tensor:
    """A normalised float32 [3, H, W] from [H, W, 3] uint8 (`tuft.contract.MEAN` and `STD`)."""
    scaled = image.astype(np.float32) / 255
    normalised = (scaled - np.array(contract.MEAN, np.float32)) / np.array(contract.STD, np.float32)
    return torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)))


def reduced(made: Scene, size_px: int) -> Scene:
    """A square scene averaged down to `size_px`; itself if it is as large."""
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
    """The tensors of one scene."""
    return image_tensor(made.image), torch.from_numpy(made.alpha[None])


@dataclass(frozen=True)
class SceneDataset(Dataset[Sample]):
    """Scenes by index.

    Attributes:
        first_seed: Seed of scene 0.
        count: Number of scenes.
        size_px: Side of the square scenes.
        photographs: Folder of photographs without a subject; None uses none.
        cutouts: Folder of real subjects with alpha; None uses none.
    """

    first_seed: int
    count: int
    size_px: int
    photographs: Path | None = None
    cutouts: Path | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        photographs = background_photographs(self.photographs) if self.photographs else ()
        cutouts = cutout_photographs(self.cutouts) if self.cutouts else ()
        seed = self.first_seed + index
        factor = np.random.default_rng(seed).choice(list(_OVERSAMPLING), p=list(_OVERSAMPLING.values()))
        side = round(self.size_px * factor)
        return sample_from_scene(reduced(scene(seed, (side, side), photographs, cutouts), self.size_px))


def loader(dataset: SceneDataset, batch: int, skip: int = 0, workers: int = 0) -> DataLoader[Sample]:
    """Batches in the order of the seeds, without the first `skip` scenes, made ahead by `workers` processes."""
    rest = Subset(dataset, range(skip, len(dataset)))
    return DataLoader(
        rest,
        batch_size=batch,
        num_workers=workers,
        drop_last=True,
        worker_init_fn=_one_thread if workers else None,
        # A process forked from one with OpenVINO's threads waits for them for ever.
        multiprocessing_context="spawn" if workers else None,
        prefetch_factor=4 if workers else None,
    )


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
