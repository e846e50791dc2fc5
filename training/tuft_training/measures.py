"""The error measures of the client, by the name under which training and benchmarks know them."""

from __future__ import annotations

from tuft.imaging.measures import (
    ErrorMaps,
    MattingErrors,
    Measures,
    boundary_f,
    connectivity_error,
    edge_sharpness,
    error_maps,
    gradient_error,
    gradient_kernel,
    intersection_over_union,
    mean,
    measures,
    soft_iou,
    unknown_band,
)

__all__ = [
    "ErrorMaps",
    "MattingErrors",
    "Measures",
    "boundary_f",
    "connectivity_error",
    "edge_sharpness",
    "error_maps",
    "gradient_error",
    "gradient_kernel",
    "intersection_over_union",
    "mean",
    "measures",
    "soft_iou",
    "unknown_band",
]
