"""Contact sheets: images beside their alphas and cut-outs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from PIL import Image

from tuft.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuft_training.scenery.arrays import RGB, Field

_CELL_PX: Final = 144
_BACKDROP: Final = (60, 170, 90)  # a green that is rare in photographs of animals


def row_of_cells(image: RGB, alpha: Field, title: str, truth: Field | None = None) -> RGB:
    """The image, alpha, true alpha (if given) and the cut-out over a flat green, side by side."""
    cut = alpha[:, :, None] * image + (1 - alpha[:, :, None]) * np.array(_BACKDROP, dtype=np.float32)
    cells = [_cell(image), _cell(_grey(alpha))]
    if truth is not None:
        cells.append(_cell(_grey(truth)))
    cells.append(_cell(np.rint(cut).astype(np.uint8)))
    row = np.concatenate(cells, axis=1)
    cv2.putText(row, title, (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255, 0, 0), 1, cv2.LINE_AA)
    return row


def contact_sheet(rows: Sequence[RGB], columns: int) -> RGB:
    """Arranges the rows in columns, from left to right."""
    blank = np.zeros_like(rows[0])
    padded = [*rows, *[blank] * (-len(rows) % columns)]
    lines = [np.concatenate(padded[i : i + columns], axis=1) for i in range(0, len(padded), columns)]
    return np.concatenate(lines)


def save_sheet(sheet: RGB, path: Path) -> None:
    """Writes a sheet as PNG, or as WebP if the file is called so, atomically."""
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, format="WEBP" if path.suffix == ".webp" else "PNG", quality=80)
    write_atomically(path, buffer.getvalue())


def _grey(alpha: Field) -> RGB:
    return np.repeat(np.rint(alpha * 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _cell(image: RGB) -> RGB:
    """The image centred in a black square."""
    height, width = image.shape[:2]
    scale = _CELL_PX / max(height, width)
    inner = cv2.resize(image, (max(int(width * scale), 1), max(int(height * scale), 1)), interpolation=cv2.INTER_AREA)
    cell = np.zeros((_CELL_PX, _CELL_PX, 3), dtype=np.uint8)
    top, left = (_CELL_PX - inner.shape[0]) // 2, (_CELL_PX - inner.shape[1]) // 2
    cell[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return cell
