from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import score
from _lib.cases import Case
from _score.damage import DAMAGES

from tuft.imaging import quality_score
from tuft.imaging.measures import soft_iou

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "score.json"


def disk_case() -> Case:
    rows, columns = np.indices((96, 128), dtype=np.float32)
    alpha = np.clip((30 - np.hypot(rows - 48, columns - 64)) / 4 + 0.5, 0, 1)
    front, behind = np.array((200, 120, 40)), np.array((30, 90, 160))
    photo = np.rint(alpha[..., None] * front + (1 - alpha[..., None]) * behind).astype(np.uint8)
    return Case("disk", "disk", photo, alpha, np.broadcast_to(front, photo.shape).astype(np.uint8))


def rows(count: int) -> list[score.Row]:
    """Pictures whose error follows the score's formula with known coefficients."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        vagueness, disagreement = rng.uniform(0.01, 1, 2)
        log_odds = (
            0.3
            + 1.1 * np.log(vagueness + quality_score.VAGUENESS_FLOOR)
            + 0.7 * np.log(disagreement + quality_score.DISAGREEMENT_FLOOR)
        )
        error = float(1 / (1 + np.exp(-log_odds)))
        candidates = {"vagueness": float(vagueness), "disagreement": float(disagreement)}
        made.append(score.Row(str(number), "disk", 1 - error, candidates, {"1 - soft IoU": error}, {}))
    return made


def test_the_fit_finds_the_coefficients_again() -> None:
    found = score.fit(rows(30))
    assert (found.intercept, found.of_vagueness, found.of_disagreement) == pytest.approx((0.3, 1.1, 0.7))


def test_a_score_that_follows_the_error_has_a_correlation_of_minus_one() -> None:
    found = score.correlations(rows(30))
    assert found["score"]["1 - soft IoU"] == pytest.approx(-1)
    assert 0 < found["vagueness"]["1 - soft IoU"] < 1


def test_the_truth_has_no_error_and_damage_has() -> None:
    case = disk_case()
    alpha = np.rint(case.alpha * 255).astype(np.uint8)
    one = score.row(case, alpha, alpha)
    assert max(one.errors.values()) < 0.01
    assert one.candidates["passes agree"] == 1
    assert one.candidates["pieces"] == 1
    assert one.damaged["blank"] == one.damaged["all opaque"] == 0
    assert set(one.damaged) == set(DAMAGES)
    for damage in DAMAGES.values():
        assert score.errors(case, damage(alpha))["1 - soft IoU"] > one.errors["1 - soft IoU"]


def test_soft_iou_by_hand() -> None:
    assert soft_iou(np.array([[0.5, 1.0]], np.float32), np.array([[1.0, 0.5]], np.float32)) == 0.5
    assert soft_iou(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32)) == 1


def test_what_is_fitted_on_is_not_what_is_judged_on() -> None:
    parts = score.split(rows(9))
    assert not {one.name for one in parts["fitted on"]} & {one.name for one in parts["held out"]}
    assert "composites" not in parts


def test_the_client_has_the_coefficients_that_were_fitted() -> None:
    fitted = json.loads(RESULTS.read_text())["fit"]
    ours = (quality_score.INTERCEPT, quality_score.OF_VAGUENESS, quality_score.OF_DISAGREEMENT)
    assert ours == pytest.approx(tuple(fitted.values()), abs=0.005)


def test_the_score_is_kept_as_good_as_it_was() -> None:
    """From the measured candidates, so that a change of the formula is noticed."""
    raw = json.loads(RESULTS.read_text())
    parts = score.split([score.Row(**one) for one in raw["rows"]])
    for name, least in (("held out", 0.9), ("composites", 0.9)):
        estimated = [
            quality_score.score_from_features(
                quality_score.Features(*(one.candidates[key] for key in ("subject", "vagueness", "disagreement")))
            )
            for one in parts[name]
        ]
        assert estimated == pytest.approx([one.score for one in parts[name]], abs=1e-6)
        assert raw["correlations"][name]["score"]["1 - soft IoU"] < -least


def test_text_tells_correlations_damages_and_time() -> None:
    case = disk_case()
    alpha = np.rint(case.alpha * 255).astype(np.uint8)
    several = [score.row(case, np.roll(alpha, shift, axis=1), alpha) for shift in range(6)]
    told = score.text(several, score.milliseconds(case))
    assert "rank correlation with" in told
    assert "cut in half" in told
    assert "12 megapixels" in told
