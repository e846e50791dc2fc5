"""Could a blended graph compute its fine pass on the subject's box alone, and what would change?

    python benchmarks/cropping.py [--scenes N] [--shares 0.3 0.45] [--margin PX] [--json FILE]

The demo's network in torch, at 1024 pixels. Held-out subjects are scaled to a share of the picture's side and put onto
plain backgrounds. The coarse pass says where the subject may be; the fine pass runs on the whole picture, and on the
smallest of a few squares that holds that box with a margin, so that few graphs would be needed. Both are blended with
the same coarse pass. Times are CPU time of one thread, so that a busy machine changes little.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from _lib.machine import machine
from _lib.markdown_table import markdown_table
from _lib.needs import packages

with packages():
    import torch
    from _lib.cases import held_out_scenes

    from tuft_export.checkpoints import checkpoint_from_name, load_network
    from tuft_export.graphs.exportable import ServedNetwork
    from tuft_export.inspyrenet.attention import resize

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from _lib.cases import Case
    from numpy.typing import NDArray
    from torch import Tensor

SIZE_PX: Final = 1024
SIDES_PX: Final = (512, 640, 768, 896, SIZE_PX)
# Saliency of the coarse pass above which a pixel is in the box.
POSSIBLE: Final = 0.1
_STEP_PX: Final = 32


def main() -> None:
    """Measures and prints a Markdown table; `--json` keeps the raw numbers."""
    options = _parser().parse_args()
    torch.set_num_threads(1)
    served = ServedNetwork(load_network(checkpoint_from_name("demo")).eval(), blend=True)
    rows = []
    for share in options.shares:
        for index, case in enumerate(held_out_scenes(options.scenes, (SIZE_PX, SIZE_PX))):
            photo, alpha = small_subject(case, share, index)
            with torch.inference_mode():
                found = compared(served, photo, alpha, options.margin)
            rows += [{"share": share, "scene": case.name, **found}] if found else []
    data = {"machine": machine(), "load": os.getloadavg()[0], "margin": options.margin, "rows": rows}
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")


def small_subject(case: Case, share: float, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A scene's subject in `share` of the side, somewhere on a gradient with noise; and its alpha."""
    rng, side = np.random.default_rng(seed), int(SIZE_PX * share)
    y, x = rng.integers(0, SIZE_PX - side + 1, 2)
    top, bottom = rng.uniform(40, 215, (2, 3))
    down = np.linspace(0, 1, SIZE_PX)[:, None, None]
    noise = cv2.GaussianBlur(rng.normal(0, 60, (SIZE_PX, SIZE_PX, 3)), (0, 0), 4)
    photo, alpha = top * (1 - down) + bottom * down + noise, np.zeros((SIZE_PX, SIZE_PX), np.float32)
    scaled = (cv2.resize(part.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
              for part in (case.alpha, case.foreground))  # fmt: skip
    alpha[y : y + side, x : x + side], colours = scaled
    inside = alpha[y : y + side, x : x + side, None]
    photo[y : y + side, x : x + side] = inside * colours + (1 - inside) * photo[y : y + side, x : x + side]
    return np.rint(photo).clip(0, 255).astype(np.uint8), alpha


def compared(served: ServedNetwork, photo: NDArray[np.uint8], alpha: NDArray[np.float32], margin_px: int) -> Any:
    """Seconds of the coarse, the whole fine and the cropped fine pass, and how their results differ.

    None if the coarse pass finds nothing.
    """
    network = served.network
    picture = torch.from_numpy(photo)[None].float().permute(0, 3, 1, 2) * served.scale + served.shift
    coarse, coarse_s = _timed(lambda: network.pyramid(served._at_base_size(picture)).saliency[-1])
    possible = torch.sigmoid(resize(coarse, (SIZE_PX, SIZE_PX)))[0, 0].numpy() > POSSIBLE
    if not possible.any():
        return None
    (y, x), side = box_of(possible, margin_px)
    whole, whole_s = _timed(lambda: network.pyramid(picture).laplacian)
    part, part_s = _timed(lambda: network.pyramid(picture[:, :, y : y + side, x : x + side]).laplacian)
    full, cropped = (_blended(served, coarse, maps) for maps in (whole, [_put(one, y, x, side) for one in part]))
    band = (alpha > 0.02) & (alpha < 0.98)
    change = np.abs(full - cropped)
    return {
        "side": side,
        "seconds": {"coarse": coarse_s, "whole": whole_s, "cropped": part_s},
        "largest change": float(255 * change.max()),
        "change in the band": float(255 * change[band].mean()),
        "sad": {name: float(np.abs(one - alpha).sum()) for name, one in (("whole", full), ("cropped", cropped))},
    }


def box_of(possible: NDArray[np.bool_], margin_px: int) -> tuple[tuple[int, int], int]:
    """Corner (y, x) and side of the smallest of the squares that holds what is set in `possible`, with a margin."""
    where = np.argwhere(possible)
    low = np.maximum(where.min(axis=0) - margin_px, 0) // _STEP_PX * _STEP_PX
    high = np.minimum(where.max(axis=0) + 1 + margin_px, SIZE_PX)
    side = next(side for side in SIDES_PX if side >= (high - low).max())
    y, x = np.minimum(low, SIZE_PX - side)
    return (int(y), int(x)), side


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    began_s = time.process_time()
    return run(), time.process_time() - began_s


def _put(laplacian: Tensor, y: int, x: int, side: int) -> Tensor:
    """The Laplacian of a part of the picture, in that of the whole; zero elsewhere."""
    factor = side // laplacian.shape[-1]
    whole = torch.zeros(1, 1, SIZE_PX // factor, SIZE_PX // factor)
    whole[:, :, y // factor : (y + side) // factor, x // factor : (x + side) // factor] = laplacian
    return whole


def _blended(served: ServedNetwork, coarse: Tensor, laplacians: Sequence[Tensor]) -> NDArray[np.float32]:
    """The saliency, as `InSPyReNet.blend` builds it."""
    network, saliency = served.network, resize(coarse, (SIZE_PX // 8, SIZE_PX // 8))
    for transition, laplacian in zip(
        (network.transition2, network.transition1, network.transition0), laplacians, strict=True
    ):
        edge = resize(transition(saliency), (laplacian.shape[-2], laplacian.shape[-1]))
        saliency = network.image_pyramid(saliency, edge * laplacian)
    return np.asarray(torch.sigmoid(saliency)[0, 0].numpy())


def table(data: Mapping[str, Any]) -> str:
    """Formats medians for each share of the side that subjects have; changes in levels of 255."""
    header = ["subject's side", "scenes", "box's side, px", "both passes, s", "cropped, s", "times faster"]
    header += ["mean change in the band", "largest change", "SAD, ratio"]
    lines = [header, ["---:"] * len(header)]
    for share in dict.fromkeys(row["share"] for row in data["rows"]):
        rows = [row for row in data["rows"] if row["share"] == share]
        middle = {
            key: statistics.median(row[key] for row in rows) for key in ("side", "change in the band", "largest change")
        }
        totals = [
            statistics.median(row["seconds"]["coarse"] + row["seconds"][way] for row in rows)
            for way in ("whole", "cropped")
        ]
        sad = sum(row["sad"]["cropped"] for row in rows) / sum(row["sad"]["whole"] for row in rows)
        lines.append(
            [f"{share:.0%}", str(len(rows)), f"{middle['side']:.0f}", *(f"{total:.2f}" for total in totals),
             f"{totals[0] / totals[1]:.1f}", f"{middle['change in the band']:.1f}",
             f"{middle['largest change']:.0f}", f"{sad:.2f}"]
        )  # fmt: skip
    coarse = statistics.median(row["seconds"]["coarse"] for row in data["rows"])
    whole = statistics.median(row["seconds"]["whole"] for row in data["rows"])
    text = f"{data['machine']}, load before {data['load']:.1f}; margin {data['margin']} px. "
    return f"{text}The coarse pass is {coarse / (coarse + whole):.0%} of both.\n\n{markdown_table(lines)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The fine pass of a blended graph on the subject's box alone.")
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.3, 0.45, 0.6], help="of the picture's side")
    parser.add_argument("--margin", type=int, default=96, metavar="PX")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    return parser


if __name__ == "__main__":
    main()
