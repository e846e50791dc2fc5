"""Does a prompt cut out the subject that is meant, and nothing of the others? And what does a click cost?

    python benchmarks/prompts.py [--scenes N] [--preset NAME] [--speed] [--json FILE]

Scenes of two or three subjects with exact truth for each. In place of SAM 2, whose weights are not at hand, a stand-in
answers with masks of the truth that are spoiled in known ways; the network is the demo checkpoint, in this process.
`--speed` measures SAM 2.1 tiny itself, with random weights, which take as long.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib.machine import machine
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from tqdm import tqdm

from tuft import Box, Client, NoSubjectError, Points, Settings, contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from _prompts.stand_in import Damage
    from numpy.typing import NDArray

    from tuft.prompts import Prompt

with packages():
    from _prompts.stand_in import DAMAGES, StandIn, damaged_logits

    from tuft.inference.transport.connect import connect
    from tuft_training.measures import intersection_over_union
    from tuft_training.samples import HELD_OUT_SEED
    from tuft_training.scenes import SeveralScene, several_scene

SIZE_HW: Final = (960, 1280)
_HALF: Final = 0.5
_FIGURES: Final = ("mask_iou", "iou", "others_share", "agreement")


@dataclass(frozen=True)
class Figures:
    """The figures of one subject, cut out in one way.

    Attributes:
        mask_iou: Intersection over union of the stand-in's mask and the subject; 0 without one.
        iou: The same of the cut-out.
        others_share: The share of the other subjects' alpha that is in the cut-out.
        agreement: `Cutout.prompt_agreement`; 0 without a prompt.
    """

    mask_iou: float
    iou: float
    others_share: float
    agreement: float


def held_out(count: int) -> Iterator[SeveralScene]:
    """Yields scenes of several subjects that no checkpoint was trained on."""
    for number in range(count):
        yield several_scene(HELD_OUT_SEED + number, SIZE_HW)


def prompts_for(alpha: NDArray[np.float32]) -> dict[str, Prompt | list[Prompt]]:
    """What a person would say of a subject: a box around all of it, a point in its middle, or both."""
    rows, columns = (np.flatnonzero((alpha >= 0.05).any(axis)) for axis in (1, 0))
    box = Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    point = Points([deepest(alpha)])
    return {"box": box, "point": point, "box and point": [box, point]}


def deepest(alpha: NDArray[np.float32]) -> tuple[float, float]:
    """(x, y) of the pixel that is farthest from the subject's edge."""
    import cv2

    inside = np.pad((alpha >= 0.5).view(np.uint8), 1)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    y, x = np.unravel_index(int(np.argmax(distance)), distance.shape)
    return float(x) - 0.5, float(y) - 0.5


@dataclass(frozen=True, eq=False)
class Contestants:
    """The same network with and without a model for prompts.

    Attributes:
        plain: The client of a server without one.
        prompted: The client of the stand-in.
        stand_in: The stand-in.
        size: Working size in pixels; None is the preset's.
    """

    plain: Client
    prompted: Client
    stand_in: StandIn
    size: int | None = None

    def cutout(
        self, scene: SeveralScene, prompt: Any, damage: Damage | None = None
    ) -> tuple[NDArray[np.float32], float]:
        """Alpha in 0..1 and the agreement; of a damaged mask, or without a model for prompts."""
        if damage is not None:
            self.stand_in.damage = damage
        client = self.plain if damage is None else self.prompted
        try:
            cutout = client.remove(scene.scene.image, prompt=prompt, size=self.size)
        except NoSubjectError:
            return np.zeros(scene.scene.alpha.shape, np.float32), 0.0
        return cutout.alpha / np.float32(255), cutout.prompt_agreement or 0.0


def measure(scenes: Iterable[SeveralScene], contestants: Contestants) -> dict[str, list[Figures]]:
    """Cuts every subject out in every way; returns the figures by way."""
    found: dict[str, list[Figures]] = {}
    for scene in tqdm(scenes, unit="scene"):
        contestants.stand_in.alphas = scene.alphas
        unprompted = contestants.cutout(scene, None)
        for alpha in scene.alphas:
            prompts = prompts_for(alpha)
            ways = [("no prompt", unprompted, 0.0)]
            ways.append(("box, without SAM 2", contestants.cutout(scene, prompts["box"]), 0.0))
            for damage in DAMAGES:
                mask_iou = _mask_iou(alpha, damaged_logits(alpha, damage))
                for name, prompt in prompts.items():
                    if name == "box" or damage == "exact":
                        ways.append((f"{name}, mask {damage}", contestants.cutout(scene, prompt, damage), mask_iou))
            for way, (result, agreement), mask_iou in ways:
                figures = _figures(result, alpha, scene.scene.alpha - alpha, mask_iou, agreement)
                found.setdefault(way, []).append(figures)
    return found


def _figures(
    result: NDArray[np.float32],
    alpha: NDArray[np.float32],
    others: NDArray[np.float32],
    mask_iou: float,
    agreement: float,
) -> Figures:
    # Where two subjects meet a pixel belongs to both: what counts is the excess over the subject's own part.
    excess = np.minimum(np.clip(result - alpha, 0, 1), others)
    iou = intersection_over_union(result >= _HALF, alpha >= _HALF)
    return Figures(mask_iou, iou, float(excess.sum() / others.sum()), agreement)


def _mask_iou(alpha: NDArray[np.float32], logits: NDArray[np.float32]) -> float:
    import cv2

    mask = cv2.resize(logits, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0
    return intersection_over_union(mask, alpha >= _HALF)


def table(result: Mapping[str, Any]) -> str:
    """Formats what `main` has measured: means and the worst subject by way, then the cost of SAM 2's halves."""
    head = ["prompt", "mask's IoU", "IoU", "lowest IoU", "of the others, %", "most, %", "agreement"]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for way, figures in result["figures"].items():
        mask_iou, iou, share, agreement = (np.array([each[name] for each in figures]) for name in _FIGURES)
        rows.append(
            [
                way,
                f"{mask_iou.mean():.3f}" if mask_iou.any() else "",
                f"{iou.mean():.3f}",
                f"{iou.min():.3f}",
                f"{100 * share.mean():.2f}",
                f"{100 * share.max():.2f}",
                f"{agreement.mean():.3f}" if agreement.any() else "",
            ]
        )
    count = len(next(iter(result["figures"].values()), ()))
    text = f"{result['machine']}; {count} subjects, network {result['network']}\n\n{markdown_table(rows)}"
    times = result.get("speed_ms", {})
    if not times:
        return text
    told = ", ".join(f"{name} {ms:.0f} ms" for name, ms in times.items())
    return f"{text}\n\nSAM 2.1 tiny with random weights, ONNX Runtime, one call: {told}."


def speed(repository: Path, repeats: int) -> dict[str, float]:
    """Milliseconds of SAM 2.1 tiny with random weights, in this process: median and least of single calls."""
    transport = connect(f"local:{repository}")
    picture = np.random.default_rng(0).integers(0, 256, (1, contract.PROMPT_SIZE, contract.PROMPT_SIZE, 3), np.uint8)
    points = np.array([[[400, 300], [700, 500]]], np.float32)
    labels = np.array([[contract.ON_SUBJECT, contract.BESIDE]], np.int32)
    outputs = (contract.MASKS_NAME, contract.SCORES_NAME)
    times: dict[str, list[float]] = {"encoder": [], "decoder": []}
    for _ in range(repeats + 1):  # the first loads the graphs
        began_s = time.perf_counter()
        kept = transport.run(
            contract.ENCODER, {contract.INPUT_NAME: picture}, contract.EMBEDDING_NAMES, timeout_s=600
        ).values
        encoded_s = time.perf_counter()
        prompt = {contract.POINTS_NAME: points, contract.LABELS_NAME: labels}
        transport.run(contract.DECODER, {**kept, **prompt}, outputs, timeout_s=600)
        times["encoder"].append(encoded_s - began_s)
        times["decoder"].append(time.perf_counter() - encoded_s)
    transport.close()
    return {
        f"{name}, {figure}": float(of(seconds[1:]) * 1e3)
        for name, seconds in times.items()
        for figure, of in (("median", np.median), ("least", np.min))
    }


def random_tiny(repository: Path) -> None:
    """Publishes SAM 2.1 tiny with random weights."""
    import torch
    import transformers

    from tuft_export.sam2.publish import Sam2Options, publish_sam2
    from tuft_export.sam2.weights import WEIGHTS

    torch.manual_seed(0)
    model = transformers.Sam2Model(WEIGHTS["tiny"].config()).eval()
    origin = {"kind": "checkpoint", "name": "random", "sha256": "0" * 64, "url": None, "licence": "none"}
    publish_sam2(model, origin, Sam2Options(repository))


def main() -> None:
    """Measures and prints a table; `--json` keeps the raw numbers."""
    parser = argparse.ArgumentParser(description="Prompts on scenes of several subjects, and the cost of a click.")
    parser.add_argument("--scenes", type=int, default=12, help="held-out scenes, 1280 × 960 pixels (default: 12)")
    parser.add_argument("--preset", default="standard", help="the client's preset (default: %(default)s)")
    parser.add_argument("--size", type=int, choices=contract.SIZES, help="working size instead of the preset's")
    parser.add_argument("--speed", action="store_true", help="measure SAM 2.1 tiny with random weights as well")
    parser.add_argument("--repeats", type=int, default=9, help="calls that are timed (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    options = parser.parse_args()
    network = connect("local")
    stand_in, settings = StandIn(network), Settings(preset=options.preset, timeout_s=600.0)
    clients = [Client(settings=settings, transport=each) for each in (network, stand_in)]
    found = measure(held_out(options.scenes), Contestants(clients[0], clients[1], stand_in, options.size))
    result: dict[str, Any] = {
        "machine": machine(),
        "network": f"demo, {options.size or options.preset}",
        "figures": {way: [asdict(each) for each in figures] for way, figures in found.items()},
    }
    if options.speed:
        with tempfile.TemporaryDirectory() as folder:
            random_tiny(Path(folder))
            result["speed_ms"] = speed(Path(folder), options.repeats)
    print(table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
