"""Every setting is explained: in `tuft config`, and in the table of docs/settings.md, which is made from `Settings`.

After a change of a setting or of its description, write the table anew:

    python tests/client/settings/test_descriptions.py --write
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import pytest

from tuft.settings.descriptions import WHEN_TO_CHANGE, markdown_table, meanings, summaries
from tuft.settings.values import NAMES

PAGE: Final = Path(__file__).parents[3] / "docs" / "settings.md"
TABLE: Final = re.compile(r"^\| setting, variable \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)


def test_none_is_missing() -> None:
    assert tuple(meanings()) == tuple(summaries()) == tuple(WHEN_TO_CHANGE) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_sentence_whose_beginning_fits_a_terminal(name: str) -> None:
    assert meanings()[name].endswith(".")
    assert WHEN_TO_CHANGE[name]
    summary = summaries()[name]
    assert 10 < len(summary) <= 100
    assert not re.search(r"[`\n]|\. ", summary)


def test_the_page_has_the_table_of_today() -> None:
    assert TABLE.findall(PAGE.read_text()) == [markdown_table()]


def test_the_table_names_variables_and_defaults() -> None:
    (row,) = (line for line in markdown_table().splitlines() if line.startswith("| `fallback_on`"))
    assert row.startswith("| `fallback_on`, `TUFT_FALLBACK_ON` | `memory,busy,circuit,missing` | The causes ")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("Run with --write to write the table of docs/settings.md.")
    PAGE.write_text(TABLE.sub(lambda _: markdown_table(), PAGE.read_text()))
