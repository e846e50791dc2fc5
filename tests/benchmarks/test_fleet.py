"""The simulated fleet against queueing theory, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
from _fleet.simulation import Fleet, Scaler, simulate
from _lib.load import arrivals_s


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_one_instance_waits_as_long_as_theory_says(load: float) -> None:
    """M/D/1: Poisson arrivals, equal service times; Pollaczek and Khinchine."""
    service_s = 0.05
    outcome = simulate(arrivals_s(load / service_s, 20_000, seed=1), Fleet(Scaler(1, 1)), lambda _: service_s)
    expected_s = service_s + load * service_s / (2 * (1 - load))
    assert np.mean(outcome.latencies_s) == pytest.approx(expected_s, rel=0.05)
    assert outcome.busy_s == pytest.approx(20_000 * service_s)


def test_a_full_queue_refuses_and_more_instances_come_for_what_waits() -> None:
    at_s = arrivals_s(40, 24_000, seed=2)
    alone = simulate(at_s, Fleet(Scaler(1, 1), most_waiting=50), lambda _: 0.05)
    scaled = simulate(at_s, Fleet(Scaler(1, 4, start_s=60), most_waiting=50), lambda _: 0.05)
    assert len(alone.latencies_s) + alone.refused == len(scaled.latencies_s) + scaled.refused == 24_000
    assert alone.refused == pytest.approx(12_000, rel=0.05), "half of them are more than one can do"
    assert scaled.refused < alone.refused / 2
    assert 2 <= scaled.most_instances <= 4
