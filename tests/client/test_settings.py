from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuft import Settings
from tuft.errors import OptionError
from tuft.settings import VARIABLES


def test_every_setting_has_its_variable() -> None:
    assert set(VARIABLES) == {field.name for field in dataclasses.fields(Settings)}
    for name, (variable, _) in VARIABLES.items():
        assert variable == f"TUFT_{name.upper()}"


def test_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings("localhost:8001", "standard", 120.0, 100_000_000, True)


def test_the_environment_changes_them() -> None:
    environment = {
        "TUFT_URL": "gpu:9001",
        "TUFT_PRESET": "maximum",
        "TUFT_TIMEOUT_S": " 7.5 ",
        "TUFT_MAX_PIXELS": "1000",
        "TUFT_FALLBACK": "No",
        "TUFT_PHOTOS": "/elsewhere",
    }
    assert Settings.from_environment(environment) == Settings("gpu:9001", "maximum", 7.5, 1000, False)


def test_an_empty_variable_is_an_unset_one() -> None:
    assert Settings.from_environment({"TUFT_URL": "", "TUFT_TIMEOUT_S": ""}) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("TUFT_TIMEOUT_S", "soon", "a number"),
        ("TUFT_MAX_PIXELS", "1e6", "a whole number"),
        ("TUFT_FALLBACK", "maybe", "yes or no"),
        ("TUFT_PRESET", "best", "no preset 'best'"),
        ("TUFT_TIMEOUT_S", "0", "above zero"),
        ("TUFT_TIMEOUT_S", "-1", "above zero"),
        ("TUFT_TIMEOUT_S", "nan", "above zero"),
        ("TUFT_TIMEOUT_S", "inf", "above zero"),
        ("TUFT_MAX_PIXELS", "0", "above zero"),
    ],
)
def test_what_makes_no_sense(variable: str, text: str, said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        Settings.from_environment({variable: text})


@given(st.sampled_from([variable for variable, _ in VARIABLES.values()]), st.text())
def test_any_text_is_a_setting_or_one_sentence(variable: str, text: str) -> None:
    said = ""
    try:
        Settings.from_environment({variable: text})
    except OptionError as error:
        said = str(error)
    assert not said or said.endswith(".")


def test_none_overrides_nothing() -> None:
    assert Settings().overridden(url=None, fallback=False) == Settings(fallback=False)
    with pytest.raises(OptionError):
        Settings().overridden(preset="best")
