"""Train the demo checkpoint: `python -m tuft_training --minutes N --output DIR`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from tuft_export.checkpoints import checkpoint_from_name, load_network
from tuft_training.evaluate import scenes_sheet
from tuft_training.pets import pets_folder
from tuft_training.pretrained import pretrained
from tuft_training.scenery.cutouts import cutouts_folder
from tuft_training.scenery.photographs import photographs_folder
from tuft_training.scenery.renders import renders_folder
from tuft_training.sheets import save_sheet
from tuft_training.train import Plan, Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft_export.inspyrenet import InSPyReNet


class _Stage(NamedTuple):
    """One size of the sequence.

    Attributes:
        size_px: Side of the scenes in pixels.
        share: Fraction of the total time.
        batch: Scenes per step.
        learning_rate: Its highest value.
        whole_every: Every how many steps the finest maps are trained.
    """

    size_px: int
    share: float
    batch: int
    learning_rate: float
    whole_every: int


# Small images teach the network to find subjects at a fraction of the cost, large ones their exact outline. SICA pools
# to the same base size in both.
_STAGES = (_Stage(256, 0.5, 8, 1.2e-3, 64), _Stage(384, 0.5, 8, 8e-4, 4))


def _load(path: Path) -> InSPyReNet:
    return load_network(checkpoint_from_name(str(path)))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m tuft_training", description=__doc__)
    result.add_argument(
        "--minutes", type=float, default=240, help="training time of all stages together (default: 240)"
    )
    result.add_argument("--steps", type=int, help="length of each stage in steps, instead of in minutes")
    result.add_argument(
        "--output", type=Path, default=Path("out/training"), help="folder for weights, curves and states"
    )
    result.add_argument("--stage", type=int, nargs="*", help="train only the stages of these sizes")
    result.add_argument("--weights", type=Path, help="start from these weights instead of from random ones")
    result.add_argument("--resume", action="store_true", help="continue from the state in the folder")
    result.add_argument("--seed", type=int, default=1, help="of the initial weights and the scenes")
    result.add_argument("--workers", type=int, default=1, help="processes that make scenes")
    result.add_argument("--whole-every", type=int, help="steps between those that train the finest maps")
    result.add_argument("--evaluate-every", type=int, default=200, help="steps between evaluations")
    result.add_argument("--held-out", type=int, default=48, help="held-out scenes in each evaluation")
    result.add_argument("--threads", type=int, default=1, help="threads of the network; more help on idle cores")
    result.add_argument("--learning-rate", type=float, help="instead of each stage's own")
    result.add_argument(
        "--no-photographs", action="store_true", help="scenes without real backgrounds and subjects, alone"
    )
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    options = parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    stages = [stage for stage in _STAGES if not options.stage or stage.size_px in options.stage]
    whole = sum(stage.share for stage in stages)
    weights: Path | None = options.weights
    for stage in stages:
        plan = Plan(
            size_px=stage.size_px,
            batch=stage.batch,
            learning_rate=options.learning_rate or stage.learning_rate,
            minutes=options.minutes * stage.share / whole,
            steps=options.steps,
            first_seed=(options.seed * 1000 + stage.size_px) * 10**6,
            photographs=None if options.no_photographs else photographs_folder() / "backgrounds",
            workers=options.workers,
            cutouts=None if options.no_photographs else cutouts_folder(),
            renders=None if options.no_photographs else renders_folder(),
            pets=None if options.no_photographs else pets_folder(),
            whole_every=options.whole_every or stage.whole_every,
            evaluate_every=options.evaluate_every,
            held_out=options.held_out,
        )
        network = _load(weights) if weights else pretrained()
        trainer = Trainer(network, plan, options.output / f"stage_{stage.size_px}")
        if options.resume:
            trainer.resume()
        weights = trainer.run()
        sheet = scenes_sheet(_load(weights), stage.size_px, 24)
        save_sheet(sheet, options.output / f"scenes_{stage.size_px}.png")
    if weights is None:
        return os.EX_USAGE
    print(f"The best weights are in {weights}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
