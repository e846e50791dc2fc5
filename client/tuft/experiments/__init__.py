"""A/B experiments: who is given which variant, what became of it, and what that proves."""

from tuft.experiments.assignment import share_of, weighted_choice
from tuft.experiments.definition import HOLDOUT, Assignment, Experiment, Variant
from tuft.experiments.page import html_page
from tuft.experiments.reading import Arm, Log, read_log
from tuft.experiments.recording import Recorder
from tuft.experiments.summary import Comparison, Summary, summarise, text

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
    "html_page",
    "read_log",
    "share_of",
    "summarise",
    "text",
    "weighted_choice",
]
