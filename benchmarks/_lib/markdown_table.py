"""Tables as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Formats rows of cells; the first row is the heading, the second the rule below it."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
