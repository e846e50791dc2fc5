"""The file of an experiment: valid and invalid settings, and assignment."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tuft.errors import OptionError
from tuft.operations.experiments import HOLDOUT, Experiment, Variant

ROOT = Path(__file__).parents[4]
UNITS = [f"customer-{number}" for number in range(10_000)]
TWO = (Variant("today"), Variant("larger", preset="high"))


def experiment(name: str = "sharper", **options: object) -> Experiment:
    return Experiment(**{"name": name, "variants": TWO, "control": "today", "planned_units": 100, **options})  # type: ignore[arg-type]


def read(tmp_path: Path, text: str) -> Experiment:
    file = tmp_path / "experiment.toml"
    file.write_text(text)
    return Experiment.from_toml(file)


def test_the_documented_file_is_an_experiment(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```$", (ROOT / "docs/experiments.md").read_text(), re.M | re.S)
    read_one = read(tmp_path, block)
    assert [variant.name for variant in read_one.variants] == ["today", "larger"]
    assert read_one.variants[1].preset == "high"
    assert read_one.assign("customer-17").forced
    assert sum(read_one.shares.values()) == pytest.approx(1)


BASE = 'name = "sharper"\nplanned_units = 100\n'
BOTH = "[variants.today]\n[variants.larger]\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "is no TOML"),
        (f"{BASE}holdut = 0.1\n{BOTH}", "no setting holdut: write holdout"),
        (f"{BASE}{BOTH}presett = 'high'\n", "no setting variants.larger.presett: write preset"),
        (f"{BASE}zzz = 1\n{BOTH}", "no setting zzz: choose one of name, "),
        (f"planned_units = 9\n{BOTH}", "setting name is missing"),
        (f"name = 'a'\n{BOTH}", "setting planned_units is missing"),
        (BASE, "setting variants is missing"),
        (f"{BASE}variants = 3\n", "variants is 3: set it to a table for each variant"),
        (f"{BASE}variants.a = 1\n", "write [variants.a]"),
        (f"{BASE}{BOTH}weight = 'much'\n", "variants.larger.weight is 'much': set it to a number"),
        (f"{BASE}{BOTH}weight = true\n", "variants.larger.weight is True"),
        (f"{BASE}{BOTH}weight = -1\n", "weight -1"),
        (f"{BASE}{BOTH}weight = nan\n", "weight nan"),
        (f"{BASE}{BOTH}preset = 'huge'\n", "no preset 'huge': choose one of stable"),
        (f"{BASE}{BOTH}refine = 'more'\n", "no refinement 'more'"),
        (f"{BASE}[variants.today]\n", "compares nothing"),
        (f"{BASE}[variants.a]\nweight = 0\n[variants.b]\nweight = 0\n", "compares nothing"),
        (f"{BASE}control = 'x'\n{BOTH}", "no control 'x': name one of today, larger"),
        (f"{BASE}holdout = 1.0\n{BOTH}", "leaves nobody"),
        (f"{BASE}{BOTH}[forced]\nc = 'x'\n", "no variant forced 'x'"),
        (f"{BASE}{BOTH}[forced]\nc = 3\n", "forced.c is 3"),
        (f"{BASE}[variants.holdout]\n[variants.b]\n", "another name"),
        (f"{BASE}[variants.'a b']\n[variants.b]\n", "cannot be the name of a variant"),
        (f"name = '../x'\nplanned_units = 9\n{BOTH}", "cannot be the name of an experiment"),
        (f"name = 'x'\nplanned_units = 1\n{BOTH}", "too few"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(OptionError, match=re.escape(told)) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert str(tmp_path / "experiment.toml") in message
    assert message.endswith(".")
    assert "\n" not in message


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be read"):
        Experiment.from_toml(tmp_path / "none.toml")


def test_a_unit_is_given_the_same_for_ever() -> None:
    assert [experiment().assign(unit) for unit in UNITS[:50]] == [experiment().assign(unit) for unit in UNITS[:50]]


def test_units_are_given_what_the_shares_say() -> None:
    one = experiment(holdout=0.2, variants=(Variant("today", weight=3), Variant("larger", weight=1)))
    assert one.shares == pytest.approx({"today": 0.6, "larger": 0.2, HOLDOUT: 0.2})
    counts = Counter(one.assign(unit).name for unit in UNITS)
    names = list(one.shares)
    expected = [len(UNITS) * one.shares[name] for name in names]
    assert stats.chisquare([counts[name] for name in names], expected).pvalue > 0.001


def test_experiments_draw_independently_of_each_other() -> None:
    first, second = ([experiment(name).assign(unit).name == "today" for unit in UNITS] for name in ("a", "b"))
    table = np.histogram2d(first, second, bins=2)[0]
    assert stats.chi2_contingency(table).pvalue > 0.001


def test_a_holdout_that_grows_moves_nobody_between_variants() -> None:
    small, large = experiment(holdout=0.1), experiment(holdout=0.4)
    for unit in UNITS[:2000]:
        before, after = small.assign(unit).name, large.assign(unit).name
        assert after in (before, HOLDOUT)


def test_forced_units_are_given_what_is_named() -> None:
    one = experiment(holdout=0.9, forced={"me": "larger"})
    assert one.assign("me").name == "larger"
    assert one.assign("me").forced
    assert not one.assign("you").forced
    assert experiment(holdout=0.999).assign("you").variant is None
