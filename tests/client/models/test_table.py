"""The table of docs/models.md is made from the rows. After a change of a row, write it anew:

python tests/client/models/test_table.py --write
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from tuft.models.table import markdown_table

PAGE: Final = Path(__file__).parents[3] / "docs" / "models.md"
TABLE: Final = re.compile(r"^\| name \| for \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)


def test_the_page_has_the_table_of_today() -> None:
    assert TABLE.findall(PAGE.read_text()) == [markdown_table()]


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("Run with --write to write the table of docs/models.md.")
    PAGE.write_text(TABLE.sub(lambda _: markdown_table(), PAGE.read_text()))
