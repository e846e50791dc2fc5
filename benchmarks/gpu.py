"""How does the network run on a GPU: parity of each precision, latency and memory of each runtime?

    python benchmarks/gpu.py [--checkpoint NAME] [--network NAME] [--sizes S ...] [--batches N ...] [--json FILE]

Parity is measured with the demo's trained weights, because the effect of rounding on mattes needs meaningful mattes;
latency with random weights of the published shape (`swin-b`), because time does not depend on the weights.
`--checkpoint` or `--network` alone applies to both; together, the checkpoint is for parity.

torch, numpy and Pillow are enough; contestants whose libraries are missing are skipped with a message. Batch 1 of all
sizes, in ascending order, comes first, then the next batch, so that a run cut short by `--minutes` has the latency of
every preset before the throughput of any. Parity takes at most a third of the time.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from _gpu import checkout  # noqa: F401 (first: it makes tuft importable)
from _gpu.names import NETWORKS, PRECISIONS, RUNTIMES
from _gpu.results import Results
from _lib.needs import packages

from tuft.errors import TuftError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from _gpu.contestants import Contestant
    from _lib.cases import Case

with packages():
    from _gpu.contestants import taking_part
    from _gpu.gpu_machine import fix_settings, gpu_machine, usable_device
    from _gpu.measured_network import MeasuredNetwork, network_from_checkpoint, network_from_shape
    from _gpu.parity import measure_parity, parity_pictures
    from _gpu.pass_latency import measure_latency

_PARITY_SHARE = 1 / 3  # of the time
_MULTIPLE_PX = 32
_EXPORT = "pip install 'tuft-matting[export]'"


@dataclass(frozen=True)
class Deadline:
    """A moment by `time.monotonic`, in seconds."""

    at_s: float

    def over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() > self.at_s


@dataclass(frozen=True)
class Plan:
    """The measurements to make.

    Attributes:
        options: The command's options.
        device: Device to run on.
        contestants: The contestants that can run here, the reference first.
        results: The measurements so far.
    """

    options: argparse.Namespace
    device: torch.device
    contestants: tuple[Contestant, ...]
    results: Results

    def measure(self, folder: Path) -> None:
        """Measures parity, then latency; graphs and engines go into `folder`."""
        began_s = time.monotonic()
        total_s = math.inf if self.options.minutes is None else self.options.minutes * 60
        for_parity, for_latency = self._networks(folder)
        self._parity(for_parity, Deadline(began_s + total_s * _PARITY_SHARE))
        self._latency(for_latency, Deadline(began_s + total_s))

    def _networks(self, folder: Path) -> tuple[MeasuredNetwork, MeasuredNetwork]:
        """The networks for parity and for latency."""
        checkpoint, network = self.options.checkpoint, self.options.network
        shaped = None if checkpoint and not network else network_from_shape(network or "swin-b", folder)
        if shaped and network and not checkpoint:
            return shaped, shaped
        try:
            trained = network_from_checkpoint(checkpoint or "demo", self.options.base_size, folder)
        except (TuftError, ImportError) as exc:
            if checkpoint or shaped is None:
                raise
            self.results.skip(f"The demo's weights cannot be read, so parity is on random ones ({exc}): {_EXPORT}.")
            return shaped, shaped
        return trained, shaped or trained

    def _parity(self, network: MeasuredNetwork, deadline: Deadline) -> None:
        for size_px in sorted(self.options.sizes):
            pictures = parity_pictures(size_px, self.options.photos)
            cases = self._scenes(size_px) if network.trained else []
            batch = max(self.options.batches)
            for row in measure_parity(network, self.contestants, pictures, cases, batch, self.device, deadline.over):
                self.results.parity.append(row)
                self.results.write()
                _say(f"parity {size_px}: {row['contestant']}: {row['status']}")
            if self._too_late(deadline, f"parity at {size_px}"):
                return

    def _scenes(self, size_px: int) -> list[Case]:
        try:
            from _lib.cases import held_out_scenes

            return list(held_out_scenes(self.options.scenes, (size_px, size_px)))
        except ImportError as exc:
            self.results.skip(f"There is no scene to tell how good mattes are ({exc}): {_EXPORT}.")
            return []

    def _latency(self, network: MeasuredNetwork, deadline: Deadline) -> None:
        batches = sorted(self.options.batches)
        for batch, size_px in ((batch, size) for batch in batches for size in sorted(self.options.sizes)):
            rows = measure_latency(
                network,
                self.contestants,
                size_px,
                batch,
                self.device,
                largest_batch=batches[-1],
                rounds=self.options.rounds,
                over=deadline.over,
            )
            self.results.latency += rows
            self.results.write()
            _say(f"latency {size_px}, batch {batch}: {len(rows)} of {len(self.contestants)} contestants")
            if self._too_late(deadline, f"latency at {size_px}, batch {batch}"):
                return

    def _too_late(self, deadline: Deadline, what: str) -> bool:
        if deadline.over():
            self.results.skip(
                f"The time was up during {what}, and what comes after was not measured: give more --minutes, or fewer "
                "--sizes, --batches or --runtimes."
            )
        return deadline.over()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints Markdown; `--json` keeps the raw numbers, written after each measurement."""
    options = _options(arguments)
    device = usable_device(options.device)
    contestants, skipped = taking_part(options.runtimes, options.precisions, device)
    heading = {"machine": gpu_machine(device), "settings": fix_settings(), "options": _plain(options)}
    results = Results(options.json, heading)
    for sentence in skipped:
        results.skip(sentence)
    with tempfile.TemporaryDirectory(prefix="tuft-gpu-") as folder:
        try:
            Plan(options, device, contestants, results).measure(Path(folder))
        except KeyboardInterrupt:
            results.skip("It was interrupted: what is missing was not measured, run it again.")
        except (TuftError, ImportError) as exc:
            raise SystemExit(str(exc)) from exc
    print(results)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _plain(options: argparse.Namespace) -> dict[str, object]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = _parser().parse_args(arguments)
    on_gpu = options.device == "cuda"
    options.sizes = options.sizes or ([384, 1024, 1536, 2048] if on_gpu else [384])
    options.batches = options.batches or ([1, 2, 4, 8] if on_gpu else [1, 2])
    options.runtimes = options.runtimes or (list(RUNTIMES) if on_gpu else ["eager", "onnxruntime"])
    for size in options.sizes:
        if size <= 0 or size % _MULTIPLE_PX:
            raise SystemExit(f"The size {size} is no multiple of {_MULTIPLE_PX} pixels: give --sizes such as 384 1024.")
    if min(options.batches) < 1 or options.rounds < 1 or options.scenes < 0:
        raise SystemExit("Nothing can be measured with a batch or a number of rounds below 1: give 1 or more.")
    if options.minutes is not None and options.minutes <= 0:
        raise SystemExit(f"There are no {options.minutes:g} minutes to measure in: give --minutes above 0.")
    if options.photos and not options.photos.is_dir():
        raise SystemExit(f"{options.photos} is no folder: give --photos a folder of photographs.")
    if options.json and not options.json.resolve().parent.is_dir():
        raise SystemExit(f"The folder of {options.json} is not there: make it, or give --json another file.")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Parity, latency and memory of the network on a GPU.")
    add = parser.add_argument
    add("--checkpoint", help="demo, base, fast, or the path of a .safetensors or .pth file")
    add("--base-size", type=int, help="of a .pth file, in pixels")
    add("--network", choices=NETWORKS, help="a shape with random weights, calibrated")
    add("--device", choices=("cuda", "cpu"), default="cuda", help="cpu is for trying the script out")
    add("--sizes", type=int, nargs="+", metavar="S", help="in pixels (default: 384 1024 1536 2048)")
    add("--batches", type=int, nargs="+", metavar="N", help="pictures at once (default: 1 2 4 8)")
    add("--runtimes", nargs="+", choices=RUNTIMES, help="(default: all on a GPU)")
    add("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS), help="(default: all)")
    add("--rounds", type=int, default=5, help="turns of each contestant (default: 5)")
    add("--scenes", type=int, default=8, help="held-out scenes with exact alpha, for parity (default: 8)")
    add("--photos", type=Path, help="a folder of more photographs for parity")
    add("--minutes", type=float, help="nothing new is begun after this long; what is being built is finished")
    add("--json", type=Path, help="where the raw numbers go")
    return parser


if __name__ == "__main__":
    main()
