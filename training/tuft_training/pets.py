"""Real photographs with masks: what they know of the alpha, and the tenth of them that is never trained on.

The sets are not distributed with tuft. `TUFT_PETS` names their folder, `../shared/pets` is the default; each set is a
folder of `images/NAME.webp` and `masks/NAME.png`, with its licence in `SOURCE.md`.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuft_training.scenery.arrays import RGB, RGBA, Field

_HELD_OUT_SHARE: Final = 0.1
_INSIDE, _OUTSIDE = 250, 5  # masks beyond these are sure, between them they are edges or "leave out"
_PAIR: Final = re.compile(r"\('(\w+)', '([^']+)\.\w+'\) \('(\w+)', '([^']+)\.\w+'\)")

# Bounds of the subjects that are pasted into scenes: the fraction of the frame, and how much of the mask is one piece.
_SUBJECT_SHARES: Final = (0.03, 0.7)
_ONE_PIECE: Final = 0.75
_CUTOUT_LONG_SIDE_PX: Final = 360


@dataclass(frozen=True)
class PetSet:
    """One set of photographs.

    Attributes:
        name: Of its folder.
        weight: Its fraction of the photographs seen in training. Small sets are seen more often than their size says.
        edge: Fraction of the short side by which an outline may be off, on either side of it. Trimaps state it
            themselves.
    """

    name: str
    weight: float
    edge: float


SETS: Final = (
    PetSet("feral_cats", 0.4, 0.008),
    PetSet("oxford_pets", 0.3, 0.0),
    PetSet("caltech101_4animals", 0.2, 0.012),
    PetSet("coco_free_licence", 0.1, 0.01),
)


class Labelled(NamedTuple):
    """A photograph and what its mask knows.

    Attributes:
        image: [h, w, 3] uint8, sRGB.
        alpha: [h, w] float32, 0 or 1.
        known: [h, w] float32: 1 where the mask knows alpha, 0 at edges and where the set says to leave it out.
    """

    image: RGB
    alpha: Field
    known: Field


@dataclass(frozen=True)
class Photograph:
    """Where a photograph and its mask are.

    Attributes:
        image: File of the image.
        mask: File of the mask: 255 inside, 0 outside, values between are unknown.
        edge: As in `PetSet`.
    """

    image: Path
    mask: Path
    edge: float

    def read(self, *, edge: float | None = None) -> Labelled:
        """Reads image and mask.

        Args:
            edge: Instead of the set's; 0 takes the mask at its word, up to its own unknown values.
        """
        image = cv2.cvtColor(cv2.imread(str(self.image), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        mask = cv2.imread(str(self.mask), cv2.IMREAD_GRAYSCALE)
        inside, outside = (mask >= _INSIDE).astype(np.uint8), (mask <= _OUTSIDE).astype(np.uint8)
        reach = round((self.edge if edge is None else edge) * min(mask.shape))
        known = _shrunk(inside, reach) | _shrunk(outside, reach)
        return Labelled(image, inside.astype(np.float32), known.astype(np.float32))


class Split(NamedTuple):
    """A set's photographs for training, and the tenth that is only measured on."""

    training: tuple[Photograph, ...]
    held_out: tuple[Photograph, ...]


def pets_folder() -> Path | None:
    """The folder of the sets: `TUFT_PETS`, or `shared/pets` beside the checkout; None if there is none."""
    default = Path(__file__).resolve().parents[3] / "shared" / "pets"
    folder = Path(os.environ.get("TUFT_PETS", default))
    return folder if folder.is_dir() else None


@functools.lru_cache(maxsize=4)
def split_sets(folder: Path) -> dict[str, Split]:
    """The sets in `folder` by name, each split into training and held-out photographs; missing sets are left out.

    Near-duplicates are on the same side: the two of each line of a set's `DUPLICATES.txt`, and all that are connected
    through them.
    """
    return {one.name: _split(folder / one.name, one.edge) for one in SETS if (folder / one.name / "images").is_dir()}


def draw(rng: np.random.Generator, sets: dict[str, Split]) -> Photograph:
    """A photograph for training, of a set drawn by its weight."""
    weights = np.array([one.weight for one in SETS if one.name in sets])
    chosen = list(sets)[rng.choice(len(sets), p=weights / weights.sum())]
    photographs = sets[chosen].training
    return photographs[rng.integers(len(photographs))]


@functools.lru_cache(maxsize=1)
def pet_cutouts(folder: Path) -> tuple[RGBA, ...]:
    """Whole subjects of the training photographs, with straight alpha, at most 360 pixels long.

    Left out are subjects cut by the frame, in several pieces, tiny ones and those that fill the frame.
    """
    photographs = (photograph for one in split_sets(folder).values() for photograph in one.training)
    found = (_cutout(photograph) for photograph in photographs)
    return tuple(cutout for cutout in found if cutout is not None)


def _split(folder: Path, edge: float) -> Split:
    names = sorted(path.stem for path in (folder / "images").iterdir())
    duplicates = folder / "DUPLICATES.txt"
    groups = _groups(names, _duplicates(duplicates.read_text(), folder.name) if duplicates.is_file() else ())
    # A fixed order in which neighbours in the alphabet, often of one kind, are far apart.
    shuffled = sorted(groups, key=lambda group: hashlib.sha256(f"{folder.name}/{group[0]}".encode()).hexdigest())
    held_out: set[str] = set()
    for group in shuffled:
        if len(held_out) >= _HELD_OUT_SHARE * len(names):
            break
        held_out.update(group)
    photographs = [Photograph(_image(folder, name), folder / "masks" / f"{name}.png", edge) for name in names]
    return Split(
        tuple(one for one in photographs if one.image.stem not in held_out),
        tuple(one for one in photographs if one.image.stem in held_out),
    )


def _image(folder: Path, name: str) -> Path:
    return folder / "images" / f"{name}.webp"


def _duplicates(text: str, name: str) -> list[tuple[str, str]]:
    """The pairs of one set in a list whose lines name set and file of both pictures."""
    return [(ours, theirs) for first, ours, second, theirs in _PAIR.findall(text) if first == second == name]


def _groups(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The names, those that pairs connect together; sorted."""
    group = {name: [name] for name in names}
    for first, second in pairs:
        if first in group and second in group and group[first] is not group[second]:
            merged = sorted(group[first] + group[second])
            group.update(dict.fromkeys(merged, merged))
    return [one for name, one in group.items() if one[0] == name]


def _shrunk(mask: cv2.typing.MatLike, reach: int) -> cv2.typing.MatLike:
    """A mask of 0 and 1 without the pixels within `reach` of its outline; the frame is no outline."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.erode(mask, disc, borderType=cv2.BORDER_CONSTANT, borderValue=1)


def _cutout(photograph: Photograph) -> RGBA | None:
    image, inside, _ = photograph.read(edge=0)
    subject = _largest_piece(inside)
    share = float(subject.mean())
    frame = np.concatenate([subject[[0, -1]].ravel(), subject[:, [0, -1]].ravel()])
    whole = not frame.any() and subject.sum() > _ONE_PIECE * inside.sum()
    if not whole or not _SUBJECT_SHARES[0] < share < _SUBJECT_SHARES[1]:
        return None
    # Within the outline, so that nothing of the old background comes along.
    alpha = cv2.GaussianBlur(_shrunk(subject.astype(np.uint8), 1).astype(np.float32), (0, 0), 0.7)
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    cutout: RGBA = np.dstack([image, np.rint(255 * alpha).astype(np.uint8)])[box]
    scale = _CUTOUT_LONG_SIDE_PX / max(cutout.shape[:2])
    if scale < 1:
        cutout = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(cutout)


def _largest_piece(mask: Field) -> Field:
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if len(statistics) == 1:
        return np.zeros_like(mask)
    piece: Field = (labels == 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))).astype(np.float32)
    return piece
