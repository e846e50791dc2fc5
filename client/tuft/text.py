"""Plain text for terminals and messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_SHOWN: Final = 200


def aligned_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines of text, each column as wide as its widest cell, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as `1 unit` and `2 units`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shown(value: object, most: int = MOST_SHOWN) -> str:
    """`value` as text for a message; of one longer than `most` characters, beginning and end."""
    text = value if isinstance(value, str) else str(value)
    if len(text) <= most:
        return text
    return f"{text[: most * 2 // 3]} … {text[-most // 4 :]}"


def without_password(url: str) -> str:
    """A URL without the user and password that some write into it."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", url) if "://" in url else re.sub(r"^[^/@\s]*:[^/@\s]*@", "", url)
