"""The figures of a comparison: of one cut-out, of a model over all photographs, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft.imaging.measures import (
    boundary_f,
    edge_sharpness,
    error_maps,
    intersection_over_union,
    soft_iou,
    unknown_band,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tuft.comparison.outcome import Outcome

    Alpha = NDArray[np.float32]  # [h, w], 0..1

_RESAMPLES: Final = 2000
_CONFIDENCE: Final = 0.95
_SEED: Final = 0
# The percentile bootstrap of fewer values is far too narrow.
LEAST_FOR_INTERVAL: Final = 5


@dataclass(frozen=True)
class TruthFigures:
    """How far one cut-out is from the truth.

    Attributes:
        mae: Mean absolute error over all pixels.
        iou: Intersection over union of both alphas above 0.5.
        band_sad: Sum of absolute errors in the unknown band, divided by 1000.
        band_gradient: Gradient error in the unknown band.
        edge_sharpness: Correlation of the edges with the true ones.
        boundary_f: F-measure of the outline at 0.5.
    """

    mae: float
    iou: float
    band_sad: float
    band_gradient: float
    edge_sharpness: float
    boundary_f: float


@dataclass(frozen=True)
class Figures:
    """The figures of one model on one photograph.

    Attributes:
        found: Whether it found a subject.
        seconds: Time of the request; 0 without a cut-out.
        network_seconds: Of these, for the network.
        quality_score: 0..1, estimated without truth.
        agreement: Mean soft intersection over union with the other models, 0..1.
        truth: Against the truth; None without it.
    """

    found: bool
    seconds: float
    network_seconds: float
    quality_score: float
    agreement: float
    truth: TruthFigures | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the figures against the truth among the others."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "truth"}
        if self.truth is not None:
            values |= {each.name: getattr(self.truth, each.name) for each in fields(self.truth)}
        return {name: value if isinstance(value, bool) else round(value, 5) for name, value in values.items()}


@dataclass(frozen=True)
class Mean:
    """A mean over photographs.

    Attributes:
        value: The mean.
        low: Lower end of its 95 % bootstrap interval; None where there is none: for fewer than `LEAST_FOR_INTERVAL`
            photographs, and without SciPy.
        high: Upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def shown(self, digits: int) -> str:
        """As text, with that many digits after the point."""
        if self.low is None or self.high is None:
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@dataclass(frozen=True)
class Means:
    """The means of one model over all photographs, by the names of `Figures.to_dict`; `found` is a share."""

    by_name: Mapping[str, Mean]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: mean, low and high of each figure."""
        return {
            name: [None if end is None else round(end, 5) for end in (mean.value, mean.low, mean.high)]
            for name, mean in self.by_name.items()
        }


@dataclass(frozen=True)
class Verdict:
    """What a comparison says.

    Attributes:
        means: Of each model, the best first: by mean absolute error with truth, in the order given without.
        wins: On how many photographs each model has the smallest error; empty without truth.
        lead: How much smaller the best model's mean absolute error is than the next one's; None without truth.
        photographs: How many there are.
    """

    means: Mapping[str, Means]
    wins: Mapping[str, int]
    lead: Mean | None
    photographs: int

    def __str__(self) -> str:
        names = list(self.means)
        if self.lead is None:
            return (
                "There is no truth, so nothing here is an error: the photographs come first on which the models agree "
                "least, look at these; the quality score is an estimate."
            )
        first = f"{names[0]} has the smallest mean error"
        if self.lead.low is None:
            few = self.photographs < LEAST_FOR_INTERVAL
            why = "too few to tell whether by chance" if few else "SciPy, for intervals, is not installed"
            text = f"{first} on {self._count}; {why}."
        elif self.lead.low > 0:
            text = f"{first}, and its lead over {names[1]} is beyond chance on {self._count} (95 %)."
        else:
            text = f"{first}, but its lead over {names[1]} may be chance on {self._count} (95 %)."
        return text + self._other_winner

    @property
    def _other_winner(self) -> str:
        """Which other model is the best on more photographs, if any: its mean suffers from a few that it misses."""
        names = list(self.means)
        most = max(names, key=lambda name: self.wins[name])
        if self.wins[most] == self.wins[names[0]]:
            return ""
        return (
            f" {most} is the best on {self.wins[most]} of them, {names[0]} on {self.wins[names[0]]}: look at those on "
            f"which {most} fails."
        )

    @property
    def _count(self) -> str:
        return "one photograph" if self.photographs == 1 else f"{self.photographs} photographs"


def agreement(alphas: Sequence[Alpha]) -> NDArray[np.float64]:
    """The soft intersection over union of each pair of alphas of one photograph: [m, m], 1 on the diagonal."""
    agreed = np.eye(len(alphas))
    for one in range(len(alphas)):
        for other in range(one):
            agreed[one, other] = agreed[other, one] = soft_iou(alphas[one], alphas[other])
    return agreed


def figures_of(
    ran: Mapping[str, Outcome], alphas: Mapping[str, Alpha], agreed: NDArray[np.float64], truth: Alpha | None
) -> dict[str, Figures]:
    """The figures of each model on one photograph.

    Args:
        ran: What each model made of it.
        alphas: Their alphas.
        agreed: From `agreement`, in the same order.
        truth: The true alpha.
    """
    count = len(alphas)
    with_others = (agreed.sum(axis=1) - 1) / (count - 1)
    band = None if truth is None else unknown_band(truth)
    return {
        name: Figures(
            found=one.file is not None,
            seconds=sum(one.milliseconds.values()) / 1000,
            network_seconds=one.milliseconds.get("network", 0.0) / 1000,
            quality_score=one.quality_score,
            agreement=float(with_others[number]),
            truth=None if truth is None or band is None else against_truth(alphas[name], truth, band),
        )
        for number, (name, one) in enumerate(ran.items())
    }


def against_truth(alpha: Alpha, truth: Alpha, band: NDArray[np.bool_]) -> TruthFigures:
    """How far an alpha is from the truth; `band` is `unknown_band(truth)`."""
    maps = error_maps(alpha, truth)
    inside = maps.over(band)
    return TruthFigures(
        mae=float(maps.absolute.mean()),
        iou=intersection_over_union(alpha > 0.5, truth > 0.5),
        band_sad=inside.sad,
        band_gradient=inside.gradient,
        edge_sharpness=edge_sharpness(alpha, truth, band),
        boundary_f=boundary_f(alpha > 0.5, truth > 0.5),
    )


def verdict_of(models: Sequence[str], figures: Mapping[str, Mapping[str, Figures]], *, has_truth: bool) -> Verdict:
    """Means, wins and the lead of the best model, over all photographs."""
    values = {name: [each[name].to_dict() for each in figures.values()] for name in models}
    means = {
        name: Means({key: mean_of([float(one[key]) for one in rows]) for key in rows[0]})
        for name, rows in values.items()
    }
    if not has_truth:
        return Verdict(means, {}, None, len(figures))
    errors = {name: np.array([float(one["mae"]) for one in rows]) for name, rows in values.items()}
    ranked = sorted(models, key=lambda name: float(errors[name].mean()))
    winners = [min(models, key=lambda name: float(errors[name][number])) for number in range(len(figures))]
    lead = mean_of((errors[ranked[1]] - errors[ranked[0]]).tolist())
    wins = {name: winners.count(name) for name in ranked}
    return Verdict({name: means[name] for name in ranked}, wins, lead, len(figures))


def mean_of(values: Sequence[float]) -> Mean:
    """A mean over photographs, with its 95 % percentile bootstrap interval where there can be one."""
    array = np.asarray(values, np.float64)
    value = float(array.mean())
    if len(array) < LEAST_FOR_INTERVAL:
        return Mean(value)
    try:
        from scipy.stats import bootstrap
    except ImportError:
        return Mean(value)
    if not np.ptp(array):
        return Mean(value, value, value)
    resampled = bootstrap(
        (array,),
        np.mean,
        n_resamples=_RESAMPLES,
        confidence_level=_CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(_SEED),
    )
    interval = resampled.confidence_interval
    return Mean(value, float(interval.low), float(interval.high))
