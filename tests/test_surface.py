"""The public surface equals the recorded one in `surface.json`.

Scripts and dashboards depend on flags, environment variables, metrics, logs, provenance records and tensors, so each
change of these must be deliberate. Record a deliberate change, and describe it in the CHANGELOG:

    PYTHONPATH=tests python tests/test_surface.py --record
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import logging
import pkgutil
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client import CollectorRegistry
from support import published
from support.server import empty_repository

import tuft
import tuft_export
import tuft_export.cli.main
import tuft_local
from tuft import contract, errors, provenance, stopwatch
from tuft.cli.main import build_parser
from tuft.inference.observers import RequestEvent
from tuft.operations.telemetry import logs, metrics
from tuft.settings import VARIABLES, Settings
from tuft_export.adopt import AdoptOptions, adopt
from tuft_export.checkpoints import CHECKPOINTS
from tuft_export.publishing.publish import PublishOptions, publish

RECORDED: Final = Path(__file__).with_name("surface.json")
SOURCES: Final = tuple(Path(package.__file__).parents[1] for package in (tuft, tuft_export, tuft_local))


def commands() -> dict[str, Any]:
    """From each command and subcommand to its arguments."""
    parsers = (build_parser(), tuft_export.cli.main.build_parser())
    return {name: arguments for parser in parsers for name, arguments in _commands(parser)}


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, dict[str, Any]]]:
    arguments = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _commands(inner)
        elif not isinstance(action, argparse._HelpAction):
            arguments[" ".join(action.option_strings) or str(action.dest)] = _argument(action)
    yield parser.prog, arguments


def _argument(action: argparse.Action) -> dict[str, Any]:
    default = action.default
    return {
        "takes": action.nargs,
        "choices": None if action.choices is None else [str(choice) for choice in action.choices],
        "required": action.required,
        "default": default if isinstance(default, str | int | float | bool | list | None) else str(default),
    }


def signatures() -> dict[str, list[str]]:
    """The parameters of the functions that every user calls."""
    functions: dict[str, Callable[..., object]] = {
        "Client": tuft.Client,
        "Client.remove": tuft.Client.remove,
        "Cutout.as_type": tuft.Cutout.as_type,
        "Cutout.cropped": tuft.Cutout.cropped,
        "Cutout.hardened": tuft.Cutout.hardened,
        "Cutout.over": tuft.Cutout.over,
        "Cutout.placed": tuft.Cutout.placed,
        "Cutout.resized": tuft.Cutout.resized,
        "Cutout.save": tuft.Cutout.save,
        "Cutout.to_bytes": tuft.Cutout.to_bytes,
        "Cutout.with_shadow": tuft.Cutout.with_shadow,
        "Cutout.within": tuft.Cutout.within,
    }
    return {
        name: [str(each.replace(annotation=each.empty)) for each in inspect.signature(function).parameters.values()]
        for name, function in functions.items()
    }


def error_classes() -> dict[str, list[str]]:
    """From each error to its bases."""
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    return {each.__name__: [base.__name__ for base in each.__bases__] for each in classes}


def settings() -> dict[str, Any]:
    """From each setting to its environment variable and its default."""
    defaults = Settings()
    return {each.name: [VARIABLES[each.name], getattr(defaults, each.name)] for each in fields(Settings)}


def other_variables() -> list[str]:
    """The environment variables that the code names in full."""
    names = {
        name
        for folder in SOURCES
        for source in folder.rglob("*.py")
        for name in re.findall(r'"(TUFT_[A-Z_]+)"', source.read_text())
    }
    return sorted(names - set(VARIABLES.values()))


def metric_families() -> dict[str, Any]:
    """From each metric to its type, its labels and the bounds of its buckets."""
    registry = CollectorRegistry()
    observer = metrics.Metrics(registry)
    observer.request_started("id", "standard")
    observer.request_finished(_event())
    found: dict[str, Any] = {}
    for family in registry.collect():
        labels = {label for sample in family.samples for label in sample.labels}
        bounds = dict.fromkeys(sample.labels["le"] for sample in family.samples if "le" in sample.labels)
        found[family.name] = {"type": family.type, "labels": sorted(labels), "buckets": list(bounds)}
    return found


def _event() -> RequestEvent:
    """An event of which everything is known."""
    return RequestEvent(
        request_id="id",
        requested="standard",
        served="stable",
        model="inspyrenet_1024",
        model_version="1",
        outcome="ok",
        fallback_reason="The queue is full.",
        fallback_cause="ServerBusyError",
        attempts=2,
        retries=1,
        milliseconds=dict.fromkeys(stopwatch.STAGES, 1.0),
        total_ms=10.0,
        size_hw=(3, 4),
        alpha=None,
        cache="miss",
        quality_score=0.5,
        unit="customer",
        variant="control",
    )


def logged() -> dict[str, list[str]]:
    """The names of loggers, and the fields of one line about a request."""
    loggers: set[str] = set()
    for info in pkgutil.walk_packages(tuft.__path__, "tuft."):
        if not info.name.endswith("__main__"):
            values = vars(importlib.import_module(info.name)).values()
            loggers |= {value.name for value in values if isinstance(value, logging.Logger)}
    record = logging.makeLogRecord({"name": "tuft.requests", "msg": "", "tuft": logs.fields(_event())})
    return {"loggers": sorted(loggers), "request": sorted(json.loads(logs.JsonFormatter().format(record)))}


def stages() -> list[str]:
    """The stages of a request, in order."""
    return list(stopwatch.STAGES)


def provenance_records() -> dict[str, Any]:
    """The keys of the records of a published and of an adopted model."""
    with tempfile.TemporaryDirectory() as folder:
        repository = empty_repository(Path(folder))
        (ours,) = publish(CHECKPOINTS["demo"], PublishOptions(repository, sizes=(384,)))
        model = published.birefnet(Path(folder) / "model.onnx")
        options = AdoptOptions(
            name="birefnet_96",
            normalize="imagenet",
            output_activation="sigmoid",
            repository=repository,
            runtime="python",
        )
        theirs = adopt(model, options).folder
        return {name: _record(path) for name, path in (("published", ours), ("adopted", theirs))}


def _record(folder: Path) -> dict[str, Any]:
    record = json.loads((folder / provenance.RECORD).read_text())
    return {
        "schema": record["schema"],
        "keys": sorted(record),
        "options": sorted(record["options"]),
        "chain": {link["kind"]: sorted(link) for link in record["chain"]},
    }


def wire_contract() -> dict[str, Any]:
    """Tensor names, data types, and the models with their shapes and largest batches."""
    return {
        "input": [contract.INPUT_NAME, contract.INPUT_DTYPE],
        "output": [contract.OUTPUT_NAME, *contract.OUTPUT_DTYPES],
        "models": {
            each.name: [*each.input_shape, "->", *each.output_shape, "batch", each.max_batch_size]
            for each in contract.MODELS.values()
        },
    }


PARTS: Final[dict[str, Callable[[], Any]]] = {
    "names": lambda: tuft.__all__,
    "signatures": signatures,
    "errors": error_classes,
    "presets": lambda: list(tuft.PRESETS),
    "commands": commands,
    "settings": settings,
    "other variables": other_variables,
    "metrics": metric_families,
    "logs": logged,
    "stages": stages,
    "provenance": provenance_records,
    "wire contract": wire_contract,
}


def surface_of(part: str) -> Any:
    """One part as JSON would return it."""
    return json.loads(json.dumps(PARTS[part]()))


@pytest.mark.parametrize("part", PARTS)
def test_the_surface_is_the_recorded_one(part: str) -> None:
    assert surface_of(part) == json.loads(RECORDED.read_text())[part]


def test_nothing_else_is_recorded() -> None:
    assert list(json.loads(RECORDED.read_text())) == list(PARTS)


if __name__ == "__main__":
    if sys.argv[1:] != ["--record"]:
        sys.exit("Run with --record to accept the present surface.")
    RECORDED.write_text(json.dumps({part: surface_of(part) for part in PARTS}, indent=1) + "\n")
