"""Regenerates the tables of README.md, and the figures in other documents, from the raw numbers in results/.

    python benchmarks/tables.py [--check]

Between `<!-- table: NAME -->` and `<!-- end -->` goes the output of the `table` function of the benchmark NAME for
`results/NAME.json`, or how to measure it if that file is missing. Between `<!-- figure: NAME
KEY.KEY FORMAT -->` and `<!-- end -->`, on one line, goes one number of that file. The benchmarks of `PLOTS` also make a
picture, `docs/images/NAME.svg`, of the same file. With `--check` nothing is written, and the exit code is 1 if anything
is out of date.
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
PLOTS: Final = ("peers",)
_BLOCK: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OPENED: Final = re.compile(r"<!-- table: ")
_FIGURE: Final = re.compile(r"(<!-- figure: (\w+) (\S+) (\S+) -->)[^\n]*?(<!-- end -->)")
# Other documents with numbers, from the root of the checkout.
_OTHERS: Final = (
    "README.md",
    "docs/measurements.md",
    "docs/matting.md",
    "docs/batch.md",
    "docs/fleet.md",
    "docs/models.md",
    "docs/speed.md",
    "docs/prompts.md",
    "docs/video.md",
    "training/README.md",
    "export/tuft_export/demo/README.md",
)


def main() -> int:
    """Writes or checks the documents."""
    parser = argparse.ArgumentParser(description="The tables of README.md and other figures, from results/.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a number is out of date")
    options = parser.parse_args()
    pages = {page: page.read_text() for page in _pages()}
    written = {page: with_tables(text, FOLDER / "results") for page, text in pages.items()}
    written |= plots(FOLDER / "results", FOLDER.parent / "docs" / "images")
    changed = [page for page, text in written.items() if not page.is_file() or text != page.read_text()]
    if options.check and changed:
        names = ", ".join(str(page.relative_to(FOLDER.parent)) for page in changed)
        print(f"Not what results/ says: {names}: run `python benchmarks/tables.py`.", file=sys.stderr)
        return 1
    for page in changed:
        page.write_text(written[page])
    return 0


def _pages() -> list[Path]:
    others = (FOLDER.parent / name for name in _OTHERS)
    return [FOLDER / "README.md", *(page for page in others if page.is_file())]


def plots(results: Path, images: Path) -> dict[Path, str]:
    """The text of every plot that is drawn of `results`, by its file in `images`."""
    files = {name: results / f"{name}.json" for name in PLOTS}
    return {
        images / f"{name}.svg": importlib.import_module(name).plot(json.loads(file.read_text()))
        for name, file in files.items()
        if file.is_file()
    }


def with_tables(page: str, results: Path) -> str:
    """Returns the page with every table and figure regenerated.

    Args:
        page: Markdown.
        results: The folder of JSON files.

    Raises:
        ValueError: A table is not closed, or names a benchmark that does not exist.
        KeyError: A figure is not in the results.
    """
    if len(_BLOCK.findall(page)) != len(_OPENED.findall(page)):
        raise ValueError("A table is opened and not closed: write <!-- end --> on the line after it.")
    page = _FIGURE.sub(lambda found: f"{found[1]}{_figure(found, results)}{found[5]}", page)
    return _BLOCK.sub(lambda found: f"{found[1]}\n{_block(found[2], results)}\n\n{found[3]}", page)


def _figure(found: re.Match[str], results: Path) -> str:
    """One number of `results/NAME.json`, found by its keys and places in lists, separated by points."""
    value: Any = json.loads((results / f"{found[2]}.json").read_text())
    for key in found[3].split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return "not judged" if value is None else format(value, found[4])


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
