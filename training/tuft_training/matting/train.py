"""Trains the matting stage: `python -m tuft_training.matting.train --patches DIR --output DIR`."""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn

from tuft_export.matting.checkpoints import load_matting, save_matting
from tuft_export.matting.network import MattingNetwork
from tuft_training.averages import MovingAverage
from tuft_training.curves import append_row
from tuft_training.matting.evaluate import held_out_ratios
from tuft_training.matting.losses import matting_loss
from tuft_training.matting.patches import INPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_SAVE_EVERY_S: Final = 120.0
_RESCAN_EVERY: Final = 100  # steps between looks for patches that were made meanwhile
_CROP_PX: Final = 192


class Patches:
    """Random crops of the patches in a folder, which may grow."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.rng = np.random.default_rng(seed)
        self.files: list[Path] = []
        self.rescan()

    def rescan(self) -> None:
        """Looks for new files."""
        self.files = sorted(self.folder.glob("*.npy"))

    def batch(self, count: int) -> Tensor:
        """Uint8 [n, planes, 192, 192]: turned, mirrored, in other channels' colours now and then."""
        return torch.from_numpy(np.stack([self._one() for _ in range(count)]))

    def _one(self) -> NDArray[np.uint8]:
        several = np.load(self.files[self.rng.integers(len(self.files))], mmap_mode="r")
        patch = several[self.rng.integers(len(several))]
        top, left = self.rng.integers(0, patch.shape[0] - _CROP_PX + 1, 2)
        crop = np.rot90(patch[top : top + _CROP_PX, left : left + _CROP_PX], self.rng.integers(4))
        if self.rng.random() < 0.5:
            crop = crop[:, ::-1]
        if self.rng.random() < 0.2:
            order = self.rng.permutation(3)
            crop = np.dstack(
                [crop[..., order], crop[..., 3 : INPUTS + 1], crop[..., INPUTS + 1 + order], crop[..., -1:]]
            )
        return np.ascontiguousarray(crop.transpose(2, 0, 1))


class Trainer:
    """A training in progress; its complete state is saved in `folder`."""

    def __init__(self, network: MattingNetwork, folder: Path, learning_rate: float, seed: int) -> None:
        self.network = network.to(memory_format=torch.channels_last).train()
        self.average = MovingAverage(self.network, 0.998)
        self.learning_rate = learning_rate
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=learning_rate, weight_decay=0.01)
        self.folder, self.seed = folder, seed
        self.step, self.elapsed_s, self.best = 0, 0.0, math.inf
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, data: Patches, held_out: Path, options: argparse.Namespace) -> None:
        """Trains for `options.minutes` in all."""
        start_s, saved_s, losses = time.monotonic() - self.elapsed_s, time.monotonic(), []
        while (progress := self.elapsed_s / (60 * options.minutes)) < 1:
            if self.step % _RESCAN_EVERY == 0:
                data.rescan()
            losses.append(self.advance(data.batch(options.batch), progress))
            self.elapsed_s = time.monotonic() - start_s
            if self.step % 20 == 0:
                print(f"{self.step} {self.elapsed_s / 60:.1f} min, loss {np.mean(losses[-50:]):.3f}", flush=True)
            if self.step % options.evaluate_every == 0:
                self._review(held_out, losses)
                losses.clear()
            if time.monotonic() - saved_s > _SAVE_EVERY_S:
                self.save()
                saved_s = time.monotonic()
        self._review(held_out, losses or [math.nan])
        self.save()

    def advance(self, batch: Tensor, progress: float) -> float:
        """One step; returns the loss."""
        warm = min(1.0, (self.step + 1) / 100)
        rate = self.learning_rate * warm * max(0.01, 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        values = batch.float().div_(255)
        planes = values[:, :INPUTS].contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(torch.cpu.get_capabilities().get("avx512_bf16"))):
            found = self.network(planes)
        backdrop = torch.rand(len(batch), 3, 1, 1).round(decimals=1)
        alpha, foreground, known = values[:, INPUTS:].split((1, 3, 1), dim=1)  # type: ignore[no-untyped-call]
        loss = matting_loss(found, planes[:, 3:4], alpha, foreground, known, backdrop)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimizer.step()
        self.step += 1
        self.average.update(self.network)
        return float(loss.detach())

    def _review(self, held_out: Path, losses: list[float]) -> None:
        """Measures the average on held-out patches, keeps it, marks it if it is the best."""
        ratios = held_out_ratios(self.average.network, held_out)
        row = {"step": self.step, "minutes": round(self.elapsed_s / 60, 2), "loss": round(float(np.mean(losses)), 4)}
        row |= {name: round(value, 4) for name, value in ratios.items()}
        append_row(self.folder / "curves.csv", row)
        print(row, flush=True)
        save_matting(self.average.network, self.folder / "averages" / f"step_{self.step:06}.safetensors")
        if ratios["sad"] + ratios["gradient"] < self.best:
            self.best = ratios["sad"] + ratios["gradient"]
            save_matting(self.average.network, self.folder / "best.safetensors")

    def save(self) -> None:
        """Saves all that `resume` needs."""
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "best": self.best,
        }
        temporary = self.folder / "state.pt.part"
        torch.save(state, temporary)
        temporary.replace(self.folder / "state.pt")

    def resume(self) -> None:
        """Continues from the state in the folder, if there is one."""
        path = self.folder / "state.pt"
        if path.exists():
            state = torch.load(path, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.elapsed_s, self.best = state["step"], state["elapsed_s"], state["best"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tuft_training.matting.train", description=__doc__)
    parser.add_argument("--patches", type=Path, required=True, help="folder that `tuft_training.matting.cache` filled")
    parser.add_argument("--held-out", type=Path, required=True, help="folder of patches that only measure")
    parser.add_argument("--output", type=Path, required=True, help="folder for weights, curves and states")
    parser.add_argument("--weights", type=Path, help="start from these weights instead of from random ones")
    parser.add_argument("--minutes", type=float, default=60, help="training time in all (default: 60)")
    parser.add_argument("--batch", type=int, default=8, help="patches per step")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="its highest value")
    parser.add_argument("--evaluate-every", type=int, default=250, help="steps between evaluations")
    parser.add_argument("--threads", type=int, default=1, help="threads of the network")
    parser.add_argument("--seed", type=int, default=1, help="of the initial weights and the crops")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    network = load_matting(options.weights) if options.weights else MattingNetwork()
    trainer = Trainer(network, options.output, options.learning_rate, options.seed)
    trainer.resume()
    trainer.run(Patches(options.patches, options.seed + trainer.step), options.held_out, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
