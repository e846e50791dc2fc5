"""Trains one stage: a network at one size on a stream of samples, keeping moving averages and the best of them."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from tqdm import tqdm

from tuft_export.checkpoints import save_weights
from tuft_export.inspyrenet.efficientnet import EfficientNet
from tuft_training.averages import MovingAverage
from tuft_training.coarse import partial_pyramid
from tuft_training.curves import append_row, save_curves
from tuft_training.evaluate import evaluate_photographs, evaluate_scenes
from tuft_training.features import Features, is_late
from tuft_training.losses import pyramid_loss
from tuft_training.rebase import balanced
from tuft_training.samples import Sample, TrainingSet, loader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from tuft_export.inspyrenet import InSPyReNet

_BACKBONE_SHARE = 0.3
_WEIGHTS, _STATE, _CURVES, _AVERAGES = "best.safetensors", "state.pt", "curves.csv", "averages"
_SAVE_EVERY_S = 300


@dataclass(frozen=True)
class Plan:
    """The options of one stage.

    Attributes:
        size_px: Side of the square scenes; not larger than the network's base size.
        batch: Scenes per step.
        learning_rate: Its highest value, after the warm-up.
        warm_up: Steps of the warm-up.
        weight_decay: Weight decay of AdamW.
        ema_decay: Decay per step of the exponential moving average.
        minutes: Length of the stage; None if `steps` limits it.
        steps: Length of the stage; bit-reproducible on one machine.
        first_seed: Seed of the first scene.
        photographs: Folder of photographs without a subject, or None.
        cutouts: Folder of real subjects with alpha, or None.
        renders: Folder of rendered subjects with alpha, or None.
        pets: Folder of real photographs with masks, or None.
        whole_every: Every how many steps the finest stage is trained. The next step stops at half size, the one after
            at a quarter, and all others at an eighth.
        workers: Processes that generate scenes.
        evaluate_every: Steps between evaluations.
        held_out: Scenes in each evaluation, and at most as many photographs of each set.
    """

    size_px: int
    batch: int = 8
    learning_rate: float = 1e-3
    warm_up: int = 100
    weight_decay: float = 0.02
    ema_decay: float = 0.995
    minutes: float | None = None
    steps: int | None = None
    first_seed: int = 0
    photographs: Path | None = None
    cutouts: Path | None = None
    renders: Path | None = None
    pets: Path | None = None
    whole_every: int = 1
    workers: int = 1
    evaluate_every: int = 200
    held_out: int = 48

    def learning_rate_at(self, step: int, progress: float) -> float:
        """Linear warm-up, then cosine decay to a hundredth.

        Args:
            step: Steps made so far.
            progress: Completed fraction of the stage, 0..1.
        """
        warm = min(1.0, (step + 1) / self.warm_up)
        cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return self.learning_rate * warm * max(cosine, 0.01)


class Trainer:
    """A stage in progress; its complete state is saved in `folder`."""

    def __init__(self, network: InSPyReNet, plan: Plan, folder: Path) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network.to(self.device)
        _prepare(self.network)
        self.features = Features(self.network.backbone)
        self.plan = plan
        self.folder = folder
        self.average = MovingAverage(self.network, plan.ema_decay)
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(self.network), lr=plan.learning_rate, weight_decay=plan.weight_decay
        )
        self.step = 0
        self.elapsed_s = 0.0
        self.best_iou = -1.0
        self._losses: list[float] = []
        self._saved_s = 0.0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def progress(self) -> float:
        """Completed fraction of the stage, 0..1."""
        if self.plan.steps is not None:
            return self.step / self.plan.steps
        return self.elapsed_s / (60 * (self.plan.minutes or 0) or 1)

    def run(self) -> Path:
        """Trains to the end of the stage; returns the file of the best weights."""
        bar = tqdm(total=100, unit="%", desc=f"{self.plan.size_px} px", mininterval=10)
        start_s = time.monotonic() - self.elapsed_s
        for batch in self._batches() if self.progress < 1 else ():
            loss = self.advance(*(part.to(self.device) for part in batch))
            self.elapsed_s = time.monotonic() - start_s
            if self.step % self.plan.evaluate_every == 0:
                self._review()
            elif self.elapsed_s - self._saved_s > _SAVE_EVERY_S:
                self._save()
            bar.n = round(100 * min(self.progress, 1), 1)
            bar.set_postfix_str(f"loss {loss:.3f}, best IoU {self.best_iou:.3f}, {self.step} steps")
            if self.progress >= 1:
                break
        bar.close()
        if self._losses:
            self._review()
        return self.folder / _WEIGHTS

    def _batches(self) -> Iterator[Sample]:
        """The samples of the remaining steps, in batches: each twice, the second time mirrored."""
        plan = self.plan
        count = plan.batch * (plan.steps or 10**7)
        folders = (plan.photographs, plan.cutouts, plan.renders, plan.pets)
        dataset = TrainingSet(plan.first_seed, count, plan.size_px, *folders)
        made, half = divmod(self.step, 2)
        mirrored = bool(half)
        for images, alphas, known in loader(dataset, plan.batch, made * plan.batch, plan.workers):
            if not mirrored:
                yield images, alphas, known
            mirrored = False
            yield images.flip(3), alphas.flip(3), known.flip(3)

    def advance(self, images: Tensor, alphas: Tensor, known: Tensor) -> float:
        """One step on images [n, 3, H, W], alphas and where they are known [n, 1, H, W]; returns the loss per stage."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["share"] * self.plan.learning_rate_at(self.step, self.progress)
        stages = self._stages()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=_gains_from_bfloat16(self.device, stages)):
            features = self.features(images)
            pyramid = partial_pyramid(self.network, features, (images.shape[2], images.shape[3]), stages)
        loss = pyramid_loss(pyramid, alphas, self.network.image_pyramid, known)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([p for p in self.network.parameters() if p.requires_grad], 1.0)
        self.optimizer.step()
        self.step += 1
        self.average.update(self.network)
        # Per stage, so that short and full steps are comparable.
        self._losses.append(float(loss.detach()) / len(pyramid.saliency))
        return self._losses[-1]

    def _stages(self) -> int:
        """The number of pyramid stages of this step: all in every `whole_every`-th step, then fewer."""
        return max(1, 4 - self.step % self.plan.whole_every)

    def _review(self) -> None:
        """Measures the average on what is held out, keeps it, marks it if it is the best, saves curves and state.

        The best has the highest mean of both IoUs: on scenes and, if there are any, on real photographs.
        """
        average = self.average.network
        result = evaluate_scenes(average, self.plan.size_px, self.plan.held_out)
        row = {"step": self.step, "minutes": self.elapsed_s / 60, "loss": sum(self._losses) / len(self._losses)}
        row |= asdict(result)
        ious = [result.iou]
        if self.plan.pets:
            sets = evaluate_photographs(average, self.plan.pets, self.plan.size_px, self.plan.held_out)
            found = [one for several in sets.values() for one in several]
            row["photographs_iou"] = sum(one.iou for one in found) / len(found)
            row["photographs_mae"] = sum(one.mae for one in found) / len(found)
            ious.append(row["photographs_iou"])
        kept = balanced(average).cpu()
        save_weights(kept, self.folder / _AVERAGES / f"step_{self.step:06}.safetensors")
        if sum(ious) / len(ious) > self.best_iou:
            self.best_iou = sum(ious) / len(ious)
            save_weights(kept, self.folder / _WEIGHTS)
        self._losses.clear()
        self._note({name: round(value, 5) for name, value in row.items()})
        self._save()

    def _note(self, row: dict[str, float]) -> None:
        path = self.folder / _CURVES
        append_row(path, row)
        save_curves(path, path.with_suffix(".png"))

    def _save(self) -> None:
        temporary = self.folder / (_STATE + ".part")
        torch.save(self.state_dict(), temporary)
        temporary.replace(self.folder / _STATE)
        self._saved_s = self.elapsed_s

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "best_iou": self.best_iou,
            "losses": self._losses,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.elapsed_s, self.best_iou = state["step"], state["elapsed_s"], state["best_iou"]
        self._losses, self._saved_s = list(state["losses"]), self.elapsed_s

    def resume(self) -> bool:
        """Loads the state in `folder`; returns False if there is none."""
        path = self.folder / _STATE
        if not path.exists():
            return False
        self.load_state_dict(torch.load(path, map_location=self.device, weights_only=True))
        return True


def _prepare(network: InSPyReNet) -> None:
    """Sets training mode; a pretrained backbone keeps its batch norm statistics, and its first layers are frozen."""
    network.train()
    if isinstance(network.backbone, EfficientNet):
        network.backbone.eval()
        for name, parameter in network.backbone.named_parameters():
            parameter.requires_grad_(is_late(network.backbone, name))


def _gains_from_bfloat16(device: torch.device, stages: int) -> bool:
    """Whether a step of `stages` stages is faster in bfloat16.

    On CPUs with bfloat16 instructions only products at full size are faster: a full step takes half of the time, a
    short one longer.
    """
    if device.type != "cpu":
        return True
    return stages == 4 and bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def _parameter_groups(network: InSPyReNet) -> list[dict[str, Any]]:
    """The trained parameters, with their fraction of the learning rate.

    A pretrained backbone has three tenths of the rate (in the paper a tenth).
    """
    share = _BACKBONE_SHARE if isinstance(network.backbone, EfficientNet) else 1.0
    backbone = [p for p in network.backbone.parameters() if p.requires_grad]
    rest = [p for name, p in network.named_parameters() if not name.startswith("backbone.")]
    return [{"params": backbone, "share": share}, {"params": rest, "share": 1.0}]
