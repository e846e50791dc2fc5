"""A photograph of two disks with exact truth, and a promptable model that sees them as a person does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from tuft import contract

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREEN, RED = (20, 120, 20), (230, 60, 40)


class TwoDisks:
    """A large disk on the left and a smaller one on the right, red on green, with edges of two pixels.

    Attributes:
        rgb: (H, W, 3) uint8.
        left_alpha: (H, W) float32, of the left disk.
        right_alpha: (H, W) float32, of the right disk.
    """

    left_xy, right_xy = (90, 110), (230, 80)
    left_radius_px, right_radius_px = 60, 40

    def __init__(self, gap_px: int = 40) -> None:
        """The disks are `gap_px` apart; less than zero lets them overlap."""
        height, width = 200, 320
        far = self.left_xy[0] + self.left_radius_px + gap_px + self.right_radius_px
        if gap_px != 40:
            self.right_xy = (far, self.left_xy[1])
        y, x = np.mgrid[:height, :width] + 0.5

        def disk(centre: tuple[int, int], radius_px: float) -> NDArray[np.float32]:
            return np.clip((radius_px - np.hypot(x - centre[0], y - centre[1])) / 2 + 0.5, 0, 1).astype(np.float32)

        self.left_alpha = disk(self.left_xy, self.left_radius_px)
        self.right_alpha = disk(self.right_xy, self.right_radius_px)
        alpha = np.maximum(self.left_alpha, self.right_alpha)[..., None]
        self.rgb = np.rint(alpha * np.array(RED) + (1 - alpha) * np.array(GREEN)).astype(np.uint8)


def redness(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The saliency of a perfect network: everything red stands out."""
    way = np.subtract(RED, GREEN).astype(np.float64)
    position = (image - np.array(GREEN)) @ way / (way @ way)
    return np.clip(position, 0, 1).astype(np.float32)


def pointed_at(image: NDArray[np.uint8], points: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float32]:
    """Logits of the red regions with a point on them or their middle in the box, without those with a point beside."""
    count, regions, _, middles = cv2.connectedComponentsWithStats((redness(image) > 0.5).view(np.uint8))
    wanted: set[int] = set()
    corners = points[labels >= contract.BOX_TOP_LEFT]
    if len(corners):
        inside = ((middles >= corners[0]) & (middles <= corners[1])).all(1)
        wanted |= {region for region in range(1, count) if inside[region]}
    for label, add in ((contract.ON_SUBJECT, wanted.add), (contract.BESIDE, wanted.discard)):
        for x, y in points[labels == label]:
            add(int(regions[int(y), int(x)]))
    mask = np.isin(regions, sorted(wanted - {0})).astype(np.float32)
    return cv2.resize(mask, (contract.MASK_SIZE, contract.MASK_SIZE), interpolation=cv2.INTER_AREA) * 20 - 10
