"""`tuft experiment`: reports results, shows assignments and records ratings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuft.cli._shared import DONE, add_command
from tuft.files import write_atomically
from tuft.operations.experiments import (
    Experiment,
    Recorder,
    format_summary,
    html_page,
    read_log,
    require_request,
    summarise,
)

if TYPE_CHECKING:
    import argparse

    from tuft.cli._shared import Commands


def add_to(commands: Commands) -> None:
    """Adds the command and its subcommands."""
    parser = add_command(commands, "experiment", _report, "compare variants on real requests")
    actions = parser.add_subparsers(title="commands", required=True, metavar="ACTION")

    report = add_command(actions, "report", _report, "print what was recorded: figures, differences, warnings")
    report.add_argument("files", nargs="+", type=Path, metavar="FILE", help="log of a recorder, or its folder")
    report.add_argument("--html", type=Path, metavar="OUT", help="write a page with plots as well")

    assign = add_command(actions, "assign", _assign, "print the variant of each unit")
    _add_experiment(assign)
    assign.add_argument("units", nargs="+", metavar="UNIT", help="such as a customer number")

    rate = add_command(actions, "rate", _rate, "record a person's rating of a result")
    _add_experiment(rate)
    rate.add_argument("folder", type=Path, metavar="DIR", help="where the experiment is recorded")
    rate.add_argument("request_id", metavar="REQUEST", help="the request's id")
    rate.add_argument("rating", type=int, metavar="RATING", help="1 to 5")


def _add_experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", type=Path, metavar="EXPERIMENT", help="its TOML file")


def _report(arguments: argparse.Namespace) -> int:
    summary = summarise(read_log(arguments.files))
    print(format_summary(summary))
    if arguments.html is not None:
        write_atomically(arguments.html, html_page(summary).encode())
        print(f"\nThe page with plots is {arguments.html}")
    return DONE


def _assign(arguments: argparse.Namespace) -> int:
    experiment = Experiment.from_toml(arguments.experiment)
    for unit in arguments.units:
        assignment = experiment.assign(unit)
        print(f"{unit}\t{assignment.name}{' (forced)' if assignment.forced else ''}")
    return DONE


def _rate(arguments: argparse.Namespace) -> int:
    experiment = Experiment.from_toml(arguments.experiment)
    require_request(arguments.folder, experiment.name, arguments.request_id)
    Recorder(experiment, arguments.folder).rate(arguments.request_id, arguments.rating)
    return DONE
