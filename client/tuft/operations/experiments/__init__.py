"""A/B experiments: assignment of variants, recording of outcomes, and statistical analysis."""

from tuft.operations.experiments.analysis import Comparison, Summary, format_summary, summarise
from tuft.operations.experiments.assignment import share_of, weighted_choice
from tuft.operations.experiments.definition import HOLDOUT, Assignment, Experiment, Variant
from tuft.operations.experiments.log import Arm, Log, read_log, require_request
from tuft.operations.experiments.page import html_page
from tuft.operations.experiments.recorder import Recorder

__all__ = [
    "HOLDOUT",
    "Arm",
    "Assignment",
    "Comparison",
    "Experiment",
    "Log",
    "Recorder",
    "Summary",
    "Variant",
    "format_summary",
    "html_page",
    "read_log",
    "require_request",
    "share_of",
    "summarise",
    "weighted_choice",
]
