"""Training: moving average, schedule, resuming, and a decreasing loss."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from tuft_export.checkpoints import checkpoint_from_name, load_network, save_weights
from tuft_export.inspyrenet import InSPyReNet, NetworkConfig, SwinConfig
from tuft_training.averages import MovingAverage, main, mean_network
from tuft_training.rebase import balanced, rebased
from tuft_training.samples import TrainingSet, loader
from tuft_training.train import Plan, Trainer

TINY = NetworkConfig(SwinConfig(8, (2, 2, 2, 2), (1, 1, 2, 2), 4), depth=8, base_size=64)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return InSPyReNet(TINY)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def plan(**changes):
    values = {"size_px": 64, "batch": 2, "steps": 4, "warm_up": 2, "workers": 0, "evaluate_every": 2, "held_out": 2}
    return Plan(**{**values, **changes})


def trained(network, the_plan, folder):
    trainer = Trainer(network, the_plan, folder)
    trainer.run()
    return trainer


def test_resumed_equals_uninterrupted(tmp_path, pets):
    long = plan(evaluate_every=4, pets=pets)
    whole = trained(_fresh(), long, tmp_path / "whole")

    first = Trainer(_fresh(), long, tmp_path / "parts")
    for batch in itertools.islice(first._batches(), 3):
        first.advance(*batch)
    first._save()
    second = Trainer(_fresh(seed=5), long, tmp_path / "parts")
    assert second.resume()
    assert second.step == 3
    second.run()

    assert second.step == whole.step == 4
    for ours, theirs in (
        (second.network.state_dict(), whole.network.state_dict()),
        (second.average.network.state_dict(), whole.average.network.state_dict()),
    ):
        assert ours.keys() == theirs.keys()
        for name in ours:
            torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=0, msg=name)


def _fresh(seed=0):
    torch.manual_seed(seed)
    return InSPyReNet(TINY)


def test_run_leaves_weights_curves_and_state(network, tmp_path):
    trainer = trained(network, plan(), tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "averages",
        "best.safetensors",
        "curves.csv",
        "curves.png",
        "state.pt",
    }
    stored = load_network(checkpoint_from_name(str(tmp_path / "best.safetensors")))
    assert stored.config == TINY
    assert 0 <= trainer.best_iou <= 1
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert lines[0] == "step,minutes,loss,iou,mae,sad,gradient,connectivity,boundary_f"
    assert [line.split(",")[0] for line in lines[1:]] == ["2", "4"]

    again = Trainer(_fresh(), plan(), tmp_path)
    assert again.resume()
    again.run()
    assert again.step == 4, "a finished stage is not continued"
    assert (tmp_path / "curves.csv").read_text().splitlines() == lines


def test_no_state_to_resume(network, tmp_path):
    assert not Trainer(network, plan(), tmp_path).resume()


def test_learning_rate_warms_up_and_falls():
    the_plan = plan(warm_up=10, learning_rate=1.0)
    assert the_plan.learning_rate_at(0, 0.0) == pytest.approx(0.1)
    assert the_plan.learning_rate_at(9, 0.0) == pytest.approx(1.0)
    assert the_plan.learning_rate_at(50, 0.5) == pytest.approx(0.5)
    assert the_plan.learning_rate_at(99, 1.0) == pytest.approx(0.01)


def test_average_of_a_constant_is_the_constant(network):
    average = MovingAverage(network, 0.9)
    for _ in range(5):
        average.update(network)
    torch.testing.assert_close(average.network.state_dict(), network.state_dict())


def test_average_follows_by_the_decay(network):
    average = MovingAverage(network, 0.0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    average.update(network)
    torch.testing.assert_close(average.network.state_dict(), network.state_dict())
    assert not average.network.training


def test_mean_of_networks_is_the_mean_of_their_weights(tmp_path):
    networks = [_fresh(seed).eval() for seed in range(3)]
    truth = torch.stack([n.state_dict()["context1.branch0.conv.weight"] for n in networks]).mean(0)
    torch.testing.assert_close(mean_network(networks).state_dict()["context1.branch0.conv.weight"], truth)
    paths = [str(tmp_path / f"{i}.safetensors") for i in range(3)]
    for network, path in zip(networks, paths, strict=True):
        save_weights(network, Path(path))
    assert main([*paths, "-o", str(tmp_path / "mean.safetensors")]) == 0
    stored = load_network(checkpoint_from_name(str(tmp_path / "mean.safetensors"))).state_dict()
    torch.testing.assert_close(stored["context1.branch0.conv.weight"], truth, rtol=2e-3, atol=1e-4)


def test_half_of_the_samples_are_photographs_that_do_not_know_their_edges(pets):
    dataset = TrainingSet(100, 40, 64, pets=pets)
    known = [float(dataset[i][2].mean()) for i in range(40)]
    assert 10 <= sum(share < 1 for share in known) <= 30


def test_scenes_do_not_depend_on_where_the_loader_starts():
    dataset = TrainingSet(100, 6, 64)
    whole, rest = list(loader(dataset, 2)), list(loader(dataset, 2, skip=2))
    assert len(whole) == 3
    for batch, other in zip(whole[1:], rest, strict=True):
        torch.testing.assert_close(batch, other)


def test_rebased_network_computes_nearly_the_same(network):
    """With a known result: without the epsilon of the batch norm, the growth of the sums cancels exactly."""
    network.eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(rebased(network, 64)(image), network(image), rtol=1e-3, atol=1e-3)
        # A constant image has constant features, so sums over four times the positions are four times as large.
        flat = torch.zeros(1, 3, 128, 128)
        larger = rebased(network, 128)
        unscaled = InSPyReNet(TINY.with_base_size(128)).eval()
        unscaled.load_state_dict(network.state_dict())
        truth = network(flat)
        assert larger.config.base_size == 128
        assert (larger(flat) - truth).abs().mean() < 0.1 * (unscaled(flat) - truth).abs().mean()


def test_balanced_network_fits_into_half_precision_and_computes_the_same(network):
    network.eval()
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if "conv_key.0.bn.running_var" in name or "conv_value.0.bn.running_var" in name:
                value.fill_(4e7)
        fit = balanced(network)
        torch.testing.assert_close(fit(image), network(image), rtol=1e-4, atol=1e-4)
    for name, value in fit.state_dict().items():
        if value.is_floating_point():
            assert value.half().isfinite().all(), name


@pytest.mark.slow
def test_loss_falls_on_a_few_scenes(network, tmp_path):
    trainer = Trainer(network, plan(steps=1000, warm_up=5, learning_rate=3e-3), tmp_path)
    batch = next(iter(loader(TrainingSet(0, 4, 64), 4)))
    losses = [trainer.advance(*batch) for _ in range(60)]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])
