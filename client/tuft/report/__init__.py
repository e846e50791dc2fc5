"""A self-contained HTML report: layers of a scene under a slider, on any backdrop, with times and figures."""

from tuft.report.collector import MAX_SHOWN, Collector, layers_of, note_of
from tuft.report.exhibit import Exhibit, Focus, Layer, Reduced, Run, Table
from tuft.report.page import LONG_SIDE_PX, fitting_px, html_report

__all__ = [
    "LONG_SIDE_PX",
    "MAX_SHOWN",
    "Collector",
    "Exhibit",
    "Focus",
    "Layer",
    "Reduced",
    "Run",
    "Table",
    "fitting_px",
    "html_report",
    "layers_of",
    "note_of",
]
