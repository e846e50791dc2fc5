"""Publishes a network for benchmarks, and prints the folder of the model repository.

    python benchmarks/publish.py FOLDER [--weights demo|published] [--sizes 1024 ...] [--parameter NAME=VALUE ...]

Other benchmarks run it in a process of its own, so that torch does not count as their memory. `tuft serve --repository`
serves the result. Exported graphs are kept in FOLDER and used again until the code that exports has changed.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from _lib import needs  # noqa: F401 (first: names what is missing)
from _lib.published import WEIGHTS, checkpoint_of, parameters_from_text, repository_from_checkpoint

from tuft_export.architecture import SWIN_B


def main() -> None:
    """Publishes, with the progress on the standard error and the folder on the standard output."""
    parser = argparse.ArgumentParser(description="A model repository for benchmarks.")
    parser.add_argument("folder", type=Path, help="keeps what was exported")
    parser.add_argument("--weights", choices=WEIGHTS, default="published")
    parser.add_argument("--sizes", type=int, nargs="+", default=[SWIN_B.base_size])
    parser.add_argument("--parameter", action="append", default=[], help="of configs/python.pbtxt, as NAME=VALUE")
    options = parser.parse_args()
    checkpoint = checkpoint_of(options.weights, options.folder)
    parameters = parameters_from_text(options.parameter)
    with contextlib.redirect_stdout(sys.stderr):
        repository = repository_from_checkpoint(checkpoint, options.folder, tuple(options.sizes), **parameters)
    print(repository)


if __name__ == "__main__":
    main()
