"""Regenerates the tables of README.md from the raw numbers in results/.

    python benchmarks/tables.py [--check]

Between `<!-- table: NAME -->` and `<!-- end -->` goes the output of the `table` function of the benchmark NAME for
`results/NAME.json`, or how to measure it if that file is missing. With `--check` nothing is written, and the exit code
is 1 if a table is out of date.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER: Final = Path(__file__).parent
_BLOCK: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OPENED: Final = re.compile(r"<!-- table: ")


def main() -> int:
    """Writes or checks README.md."""
    parser = argparse.ArgumentParser(description="The tables of README.md, from results/.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a table is out of date")
    options = parser.parse_args()
    page = FOLDER / "README.md"
    text = page.read_text()
    written = with_tables(text, FOLDER / "results")
    if options.check and written != text:
        print(f"{page.name} does not show what results/ says: run `python benchmarks/tables.py`.", file=sys.stderr)
        return 1
    if written != text:
        page.write_text(written)
    return 0


def with_tables(page: str, results: Path) -> str:
    """Returns the page with every table regenerated.

    Args:
        page: Markdown.
        results: The folder of JSON files.

    Raises:
        ValueError: A table is not closed, or names a benchmark that does not exist.
    """
    if len(_BLOCK.findall(page)) != len(_OPENED.findall(page)):
        raise ValueError("A table is opened and not closed: write <!-- end --> on the line after it.")
    return _BLOCK.sub(lambda found: f"{found[1]}\n{_block(found[2], results)}\n\n{found[3]}", page)


def _block(name: str, results: Path) -> str:
    path = results / f"{name}.json"
    if not (FOLDER / f"{name}.py").is_file():
        raise ValueError(f"There is no benchmark {name}, whose table is asked for: name a file of {FOLDER.name}/.")
    if not path.is_file():
        return f"Not measured yet: `python benchmarks/{name}.py --json benchmarks/results/{name}.json`."
    return _table_of(name)(json.loads(path.read_text()))


def _table_of(name: str) -> Callable[[Mapping[str, Any]], str]:
    """The `table` function of a benchmark, which formats its JSON."""
    own: Callable[[Mapping[str, Any]], str] = importlib.import_module(name).table
    return own


if __name__ == "__main__":
    sys.exit(main())
