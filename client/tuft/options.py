"""The options of one request, typed once: for `remove`, `map`, the command line and everything that hands them on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from tuft.imaging import Lengths
    from tuft.inference.resilience import CancelToken
    from tuft.presets import Refinement


class RemoveOptions(TypedDict, total=False):
    """The keyword arguments of `tuft.Client.remove`, which describes them."""

    size: int | None
    model: str | None
    version: str
    refine: Refinement | None
    roi: Lengths | None
    timeout_s: float | None
    fallback: bool | None
    cancel: CancelToken | None
    unit: str | None
