"""`tuft_points` and `tuft_box`: the subject that is meant, in every form of a body."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from support.gateway import decoding_here
from support.two_disks import TwoDisks, pointed_at, redness

from tuft import Client, FakeTransport, Settings
from tuft_gateway import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUTE = "/v1.0/removebg"
DISKS = TwoDisks()


@pytest.fixture
def caller() -> Iterator[Callable[..., Any]]:
    """Posts the two disks with some fields, to a gateway whose server has a model for prompts or none."""
    file = io.BytesIO()
    Image.fromarray(DISKS.rgb).save(file, "PNG")
    opened: list[TestClient] = []

    def post(form: str = "data", *, with_model: bool = True, **fields: str) -> Any:
        fake = FakeTransport(redness, mask_from_prompt=pointed_at if with_model else None)
        app = decoding_here(create_app(Client(settings=Settings(), transport=fake)))
        opened.append(TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 50000)).__enter__())
        return opened[-1].post(ROUTE, files={"image_file": file.getvalue()}, data={"size": "full", **fields})

    yield post
    for each in opened:
        each.__exit__()


def alpha_of(answer: Any) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))[..., 3] / 255.0


@pytest.mark.parametrize(
    ("fields", "truth"),
    [
        ({"tuft_points": "90 110"}, DISKS.left_alpha),
        ({"tuft_points": "230,80; not 90 110"}, DISKS.right_alpha),
        ({"tuft_box": "30 50 150 170"}, DISKS.left_alpha),
        ({"tuft_box": "10 20 300 190", "tuft_points": "90 110; NOT 230 80"}, DISKS.left_alpha),
    ],
)
def test_only_the_subject_that_is_meant_is_answered(caller: Any, fields: dict[str, str], truth: np.ndarray) -> None:
    answer = caller(**fields)
    assert np.abs(alpha_of(answer) - truth).max() < 0.2
    assert float(answer.headers["X-Tuft-Prompt-Agreement"]) > 0.9


def test_a_box_works_without_a_model_and_no_prompt_has_no_agreement(caller: Any) -> None:
    assert np.abs(alpha_of(caller(with_model=False, tuft_box="190 40 270 120")) - DISKS.right_alpha).max() < 0.2
    answer = caller(tuft_box="", tuft_points=" ")
    assert np.abs(alpha_of(answer) - np.maximum(DISKS.left_alpha, DISKS.right_alpha)).max() < 0.2
    assert "X-Tuft-Prompt-Agreement" not in answer.headers


@pytest.mark.parametrize(
    ("fields", "code", "detail"),
    [
        ({"tuft_points": "90"}, "invalid_tuft_points", "write x y, such as 320 200"),
        ({"tuft_points": "not 9 9"}, "invalid_tuft_points", "give at least one"),
        ({"tuft_points": "٩٠ ٩"}, "invalid_tuft_points", "digits from 0 to 9"),
        ({"tuft_box": "9 9 9 20"}, "invalid_tuft_box", "is empty"),
        ({"tuft_box": "0 0 321 20"}, "invalid_tuft_prompt", "reaches beyond the picture of 320 × 200"),
        ({"tuft_box": "0 0 99 99", "roi": "0 0 50% 50%"}, "invalid_parameter", "leave out roi, or prompt"),
    ],
)
def test_what_does_not_fit_is_told(caller: Any, fields: dict[str, str], code: str, detail: str) -> None:
    answer = caller(**fields)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["code"] == code
    assert detail in error["detail"]


def test_points_without_a_model_for_them_are_refused_with_the_remedy(caller: Any) -> None:
    for fields in ({}, {"tuft_model": "inspyrenet_384"}):
        answer = caller(with_model=False, tuft_points="90 110", **fields)
        assert answer.status_code == 400
        (error,) = answer.json()["errors"]
        assert error["code"] == "tuft_points_unavailable"
        assert "give a box" in error["detail"]
