"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from tuft.presets import PRESETS


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--preset`, `--url` and `--config`."""
    parser.add_argument("--preset", choices=PRESETS, help="see `tuft presets`; TUFT_PRESET, else standard by default")
    parser.add_argument("--url", help="the server's gRPC address; TUFT_URL, else localhost:8001 by default")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings, see `tuft config`; TUFT_CONFIG, else "
                        "tuft.toml, else ~/.config/tuft/config.toml by default")  # fmt: skip


def add_repository(parser: argparse.ArgumentParser) -> None:
    """Adds `--repository`."""
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR",
                        help="model repository, %(default)s by default")  # fmt: skip


def positive(text: str) -> int:
    """A whole number above zero."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above zero")
    return number
