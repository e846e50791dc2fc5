"""The figures of one alpha against the truth, as several benchmarks report them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuft_training.measures import boundary_f, edge_sharpness, error_maps, intersection_over_union, unknown_band

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from _lib.cases import Case

FIGURES: Final = ("iou", "mae", "gradient", "gradient band", "sad band", "edge sharpness", "boundary F")


def matte_figures(case: Case, alpha: NDArray[np.float32]) -> dict[str, float]:
    """Computes all `FIGURES` of one alpha [h, w] in 0..1."""
    band, maps = unknown_band(case.alpha), error_maps(alpha, case.alpha)
    inside = maps.over(band)
    values = (
        intersection_over_union(alpha > 0.5, case.alpha > 0.5),
        float(maps.absolute.mean()),
        maps.over().gradient,
        inside.gradient,
        inside.sad,
        edge_sharpness(alpha, case.alpha, band),
        boundary_f(alpha > 0.5, case.alpha > 0.5),
    )
    return dict(zip(FIGURES, values, strict=True))
