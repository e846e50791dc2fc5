"""Tables as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the second of them the rule below the heading."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
