"""Visual regression through a real server, and tests that it detects changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from support import mattes
from support.server import DemoServer

from tuft import Client, FakeTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    Mutation = Callable[[np.ndarray], np.ndarray]

pytestmark = [pytest.mark.server, pytest.mark.slow]

SUBJECTS = mattes.SUBJECTS
WITH_SUBJECT = [subject for subject in SUBJECTS if subject.category != "no subject"]


@pytest.fixture(scope="module")
def photos() -> dict[str, np.ndarray]:
    return {subject.name: subject.photo() for subject in SUBJECTS}


def test_mattes_are_as_accepted(photos: dict[str, np.ndarray], demo_server: DemoServer) -> None:
    with Client(demo_server.url) as client:
        exhibits = [
            mattes.compare(subject, photos[subject.name], mattes.cut_out(client, photos[subject.name]))
            for subject in SUBJECTS
        ]
    mattes.write_report(exhibits)
    failures = [f"{one.name}: {one.note}" for one in exhibits if one.status == "fail"]
    assert not failures, f"{len(failures)} mattes changed, see {mattes.REPORT}:\n" + "\n".join(failures)


def dilated(matte: np.ndarray) -> np.ndarray:
    return cv2.dilate(matte, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))


def blurred(matte: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(matte, (0, 0), 1.5)


def faded(matte: np.ndarray) -> np.ndarray:
    return cv2.convertScaleAbs(matte, alpha=0.95)


def without_an_ear(matte: np.ndarray) -> np.ndarray:
    """Removes the topmost tenth of the subject."""
    rows = np.flatnonzero((matte > 128).any(axis=1))
    result = matte.copy()
    result[: rows[0] + max(8, len(rows) // 10)] = 0
    return result


@pytest.mark.parametrize("mutate", [dilated, blurred, faded, without_an_ear])
def test_every_mutation_of_every_matte_is_noticed(mutate: Mutation) -> None:
    unnoticed = []
    for subject in WITH_SUBJECT:
        reference = mattes.read_reference(subject)
        figures = mattes.numeric_figures(reference, mutate(reference))
        if not mattes.exceeded(figures):
            unnoticed.append((subject.name, figures))
    assert not unnoticed


def test_swapped_pictures_are_noticed() -> None:
    references = [mattes.read_reference(subject) for subject in SUBJECTS]
    for i, reference in enumerate(references):
        for other in references[i + 1 :]:
            same = np.array_equal(reference, other)
            assert same or mattes.exceeded(mattes.numeric_figures(reference, other))


@pytest.mark.parametrize("mutate", [dilated, faded, without_an_ear])
def test_what_a_viewer_sees_is_noticed_by_the_perceptual_measure_alone(
    mutate: Mutation, photos: dict[str, np.ndarray]
) -> None:
    for subject in WITH_SUBJECT[:2]:
        reference = mattes.read_reference(subject)
        small = mattes.at_compared_size(photos[subject.name])
        assert mattes.exceeded(mattes.flip_figures(small, reference, mutate(reference))), subject.name


def test_half_precision_stays_green(photos: dict[str, np.ndarray]) -> None:
    """The demo's network in bfloat16 instead of float32, through the whole client."""
    import torch

    from tuft_export.checkpoints import checkpoint_from_name, load_network
    from tuft_export.graphs.exportable import ServedNetwork

    network = ServedNetwork(load_network(checkpoint_from_name("demo")).eval(), blend=True)

    def infer(image: np.ndarray) -> np.ndarray:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return network(torch.from_numpy(image)[None])[0].float().numpy()

    with Client(transport=FakeTransport(infer)) as client:
        for subject in SUBJECTS[::8]:
            verdict = mattes.compare(subject, photos[subject.name], mattes.cut_out(client, photos[subject.name]))
            assert verdict.status == "pass", f"{subject.name}: {verdict.note}"


def test_the_report_shows_before_after_and_the_worst_place(photos: dict[str, np.ndarray]) -> None:
    subject = WITH_SUBJECT[0]
    changed = without_an_ear(mattes.read_reference(subject))
    verdict = mattes.compare(subject, photos[subject.name], changed)
    assert verdict.status == "fail"
    assert {layer.name for layer in verdict.layers} >= {"before", "after", "difference × 3"}
    assert verdict.focus is not None
    rows = np.flatnonzero((mattes.read_reference(subject) > 128).any(axis=1))
    assert abs(verdict.focus[1] * mattes.COMPARED_HW[0] - rows[0]) < 0.25 * mattes.COMPARED_HW[0]
