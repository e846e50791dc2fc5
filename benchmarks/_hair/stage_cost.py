"""What the matting stage costs in one photograph: `python -m _hair.stage_cost MEGAPIXELS JSON`, a process for each."""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Final

import numpy as np
from _lib.machine import resident_bytes
from _lib.served_stage import served_stage
from _lib.synthetic_photograph import synthetic_photograph
from _roofline.operation_count import work_by_stage
from _roofline.peaks import L4
from PIL import Image

from tuft.imaging.postprocess import alpha_from_saliency
from tuft.imaging.preprocess import network_image
from tuft.imaging.refine import matted, refine_alpha
from tuft_export.matting.graph import shipped_graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIZE: Final = 1024


def main() -> None:
    """Prints one JSON object: tiles, seconds, bytes a pixel, and the least time on an L4, which is computed."""
    rounds = int(json.loads(sys.argv[2])["rounds"])
    jpeg, saliency = synthetic_photograph(float(sys.argv[1]))
    Image.MAX_IMAGE_PIXELS = None
    rgb = np.array(Image.open(io.BytesIO(jpeg)))
    _, geometry = network_image(rgb, _SIZE, "static")
    alpha = alpha_from_saliency(saliency, geometry, reference=False)
    counts = [0]
    with served_stage() as stage:

        def counted(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
            counts[0] += len(tiles)
            return stage(tiles)

        matted(rgb[:600, :600], alpha[:600, :600], _SIZE, stage)  # warm
        before = resident_bytes("VmRSS")
        spent, classical = [], []
        for _ in range(rounds):
            counts[0] = 0
            began_s = time.perf_counter()
            matted(rgb, alpha, _SIZE, counted)
            spent.append(time.perf_counter() - began_s)
            began_s = time.perf_counter()
            refine_alpha(rgb, alpha, _SIZE)
            classical.append(time.perf_counter() - began_s)
    peak = resident_bytes("VmHWM")
    work = work_by_stage(shipped_graph(), max(1, counts[0]))
    least_s = sum(L4[0].least_s(one) for one in work.values())
    print(
        json.dumps(
            {
                "megapixels": rgb.shape[0] * rgb.shape[1] / 1e6,
                "tiles": counts[0],
                "s": round(statistics.median(spent), 3),
                "classical_s": round(statistics.median(classical), 3),
                "bytes_a_pixel": round(max(0, peak - before) / (rgb.shape[0] * rgb.shape[1]), 1),
                "gflop": round(sum(one.product_flop for one in work.values()) / 1e9, 1),
                "l4_least_ms": round(least_s * 1e3, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
