"""Exposures, outcomes and ratings as JSON lines: appended by any number of processes, one file a day."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft.errors import OptionError, OutputError
from tuft.inference import observers

if TYPE_CHECKING:
    from tuft.operations.experiments.definition import Assignment, Experiment

_LOGGER: Final = logging.getLogger(__name__)

SUFFIX: Final = ".jsonl"
RATINGS: Final = range(1, 6)  # of five stars
_UNIT_DIGITS: Final = 16  # two units of a million are taken for one with a probability of 3e-8


class Recorder(observers.Observer):
    """Writes down who was given what, and what became of it.

    Lines go to `NAME.YYYY-MM-DD.jsonl` in a folder, by the day in UTC: nothing is renamed, so that several processes
    and threads may write to one folder. A line is written at once or not at all, unless the disk is full or the machine
    stops; readers skip a torn one. Units are written as a hash, since they are often customers; whoever can guess a key
    can still recognise it.

    It is what `tuft.Client` takes as `experiment`, and one of its `observers`.

    Args:
        experiment: What is compared.
        folder: Where the files are; made if it is missing.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(self, experiment: Experiment, folder: str | os.PathLike[str]) -> None:
        self.experiment = experiment
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OutputError(f"The folder {folder} cannot be made ({exc.strerror}): give another one.") from exc
        self._plan = {
            "experiment": experiment.name,
            "control": experiment.control,
            "planned_units": experiment.planned_units,
            "shares": experiment.shares,
        }

    def assign(self, unit: str) -> Assignment:
        """What `unit` is given, written down as an exposure; an exposure without an outcome is a request that was lost.

        Nobody goes unserved because the line cannot be written: that is logged.
        """
        assignment = self.experiment.assign(unit)
        try:
            self._append("exposure", self._who(unit, assignment))
        except OutputError as error:
            _LOGGER.warning("An exposure is missing: %s", error)
        return assignment

    def request_started(self, request_id: str, requested: str) -> None:
        """Nothing: `assign` has written down that a request began."""

    def request_finished(self, event: observers.RequestEvent) -> None:
        """Writes down what became of the request of a unit, with its quality score.

        Raises:
            OutputError: The line cannot be written.
        """
        if event.unit is None:
            return
        quality = event.quality_score
        outcome = {
            "request_id": event.request_id,
            "outcome": event.outcome,
            "total_ms": round(event.total_ms, 3),
            "quality": None if quality is None else round(quality, 5),
            "requested": event.requested,
            "served": event.served,
            "model": event.model,
            "model_version": event.model_version,
            "cache": event.cache,
        }
        self._append("outcome", {**self._who(event.unit, self.experiment.assign(event.unit)), **outcome})

    def rate(self, request_id: str, rating: int) -> None:
        """Writes down what a person thinks of the result of a request; the last rating counts.

        Args:
            request_id: Of the request, as its event and the server's log name it.
            rating: 1 to 5.

        Raises:
            OptionError: There is no such rating.
            OutputError: The line cannot be written.
        """
        if rating not in RATINGS:
            raise OptionError(f"There is no rating {rating}: give a whole number from {RATINGS[0]} to {RATINGS[-1]}.")
        self._append("rating", {"request_id": request_id, "rating": rating})

    def _who(self, unit: str, assignment: Assignment) -> dict[str, Any]:
        return {
            "unit": hashed_unit(self.experiment.name, unit),
            "variant": assignment.name,
            "forced": assignment.forced,
        }

    def _append(self, kind: str, line: dict[str, Any]) -> None:
        now = datetime.now(timezone.utc)
        stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        path = self._folder / f"{self.experiment.name}.{now.date().isoformat()}{SUFFIX}"
        append_line(path, json.dumps({"kind": kind, "at": stamp, **self._plan, **line}))


def hashed_unit(experiment: str, unit: str) -> str:
    """How a unit is written down: the same within an experiment, another in the next."""
    digest = hashlib.sha256(f"{experiment}\n{unit}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:_UNIT_DIGITS]


def append_line(path: Path, line: str) -> None:
    """Opened anew for each line, some microseconds: files may be moved away at any time."""
    data = f"{line}\n".encode()
    try:
        # O_APPEND places each write at the end, whoever else writes: one write is one line.
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":  # torn by a crash: this line does not suffer for it
                data = b"\n" + data
            written = os.write(file, data)
        finally:
            os.close(file)
    except OSError as exc:
        raise OutputError(f"{path} cannot be written ({exc.strerror}): check its folder and the space left.") from exc
    if written < len(data):
        raise OutputError(f"{path} cannot be written to its end: make room on its disk.")
