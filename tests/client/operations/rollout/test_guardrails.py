"""Guard rails: no false alarms between equal versions with repeated looks, and detection of a worse version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tuft.errors import OptionError
from tuft.operations.rollout import Guards, Sample, evaluate_guardrails


def sample(rng: np.random.Generator, n: int, *, per_unit: int = 3, **worse: Any) -> Sample:
    """Requests of units that differ in quality and subject."""
    unit = np.arange(n, dtype=np.intp) // per_unit
    of_unit = rng.normal(0, 1, unit[-1] + 1)[unit]
    failed = (rng.random(n) < worse.get("failing", 0.01)).astype(np.float64)
    quality = np.clip(0.92 + 0.03 * of_unit + rng.normal(0, 0.03, n) - worse.get("lower", 0), 0, 1)
    quality[rng.random(n) < worse.get("blank", 0.005)] = 0.0
    ms = np.exp(6 + 0.2 * of_unit + rng.normal(0, 0.4, n)) * worse.get("slower", 1)
    subject = np.clip(0.35 + 0.1 * of_unit + rng.normal(0, 0.1, n) + worse.get("larger", 0), 0, 1)
    for column in (quality, ms, subject):
        column[failed > 0] = np.nan
    return Sample(unit, failed, ms, quality, subject)


def first(whole: Sample, n: int) -> Sample:
    return Sample(whole.unit[:n], whole.failed[:n], whole.ms[:n], whole.quality[:n], whole.subject[:n])


def tripped(old: Sample, new: Sample, guards: Guards | None = None) -> set[str]:
    return {verdict.guard for verdict in evaluate_guardrails(old, new, guards or Guards()) if verdict.tripped}


def test_chance_alone_withdraws_nothing_however_often_somebody_looks(rng: np.random.Generator) -> None:
    false_alarms = 0
    for _ in range(100):
        old, new = sample(rng, 3000), sample(rng, 3000)
        looks = np.unique(np.geomspace(10, 3000, 12).astype(int))
        false_alarms += any(tripped(old, first(new, n)) for n in looks)
    assert false_alarms <= 1


@pytest.mark.parametrize(
    ("worse", "guard", "within"),
    [
        ({"failing": 1.0}, "errors", 10),
        ({"failing": 0.5}, "errors", 50),
        ({"failing": 0.1}, "errors", 600),
        ({"blank": 1.0}, "near_zero", 60),
        ({"lower": 0.1}, "quality", 400),
        ({"slower": 4}, "p95_ratio", 600),
        ({"larger": 0.25}, "subject", 200),
        ({"larger": -0.25}, "subject", 200),
    ],
)  # fmt: skip
def test_what_is_worse_trips_the_guard_that_watches_it(
    rng: np.random.Generator, worse: dict[str, float], guard: str, within: int
) -> None:
    caught = [guard in tripped(sample(rng, 2000), sample(rng, within, **worse)) for _ in range(20)]
    assert sum(caught) >= 18


def test_what_is_better_trips_nothing(rng: np.random.Generator) -> None:
    old = sample(rng, 3000, failing=0.1, blank=0.1, lower=0.1, slower=4)
    assert not tripped(old, sample(rng, 3000))


def test_what_is_worse_by_no_more_than_is_allowed_trips_nothing(rng: np.random.Generator) -> None:
    assert not tripped(sample(rng, 30_000), sample(rng, 30_000, failing=0.025, lower=0.02, slower=1.3))


def test_one_customer_proves_nothing_about_pictures(rng: np.random.Generator) -> None:
    odd = sample(rng, 500, per_unit=500, larger=0.4, lower=0.3)
    assert not tripped(sample(rng, 3000), odd)


def test_no_verdict_on_too_few(rng: np.random.Generator) -> None:
    verdicts = evaluate_guardrails(sample(rng, 3000), sample(rng, 9, per_unit=1, failing=1.0), Guards())
    assert {verdict.tripped for verdict in verdicts} == {None}
    nothing = Sample.of([])
    assert {verdict.tripped for verdict in evaluate_guardrails(nothing, nothing, Guards())} == {None}


@pytest.mark.parametrize("wrong", [{"errors": 0}, {"p95_ratio": 1}, {"quality": float("nan")}, {"min_requests": -1}])
def test_a_guard_out_of_its_range(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=r"The guardrail \w+ is .*: give a number above [01]\."):
        Guards(**wrong)  # type: ignore[arg-type]
