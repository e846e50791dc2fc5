"""Records exposures, outcomes and ratings as JSON lines, in one file a day that any number of processes append to."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft.errors import OptionError, OutputError
from tuft.files import append_lines
from tuft.inference import observers

if TYPE_CHECKING:
    import os

    from tuft.operations.experiments.definition import Assignment, Experiment

_LOGGER: Final = logging.getLogger("tuft.experiments.recording")

SUFFIX: Final = ".jsonl"
FILE_MODE: Final = 0o644
RATINGS: Final = range(1, 6)  # one to five stars
_UNIT_DIGITS: Final = 16  # among a million units, the probability of a collision is 3e-8


class Recorder(observers.Observer):
    """Records which variant each unit was given, and the outcome of its requests.

    Lines go to `NAME.YYYY-MM-DD.jsonl` in a folder, by the day in UTC. No file is renamed, so several processes and
    threads may write to one folder. A line is written in one piece, unless the disk is full or the machine stops;
    readers skip incomplete lines. Units are stored as a hash because they often identify customers; a hash does not
    protect a key that can be guessed.

    Pass a recorder to `tuft.Client` as `experiment`; it is then one of the client's observers too.

    Args:
        experiment: The experiment.
        folder: The folder of the files; created if it does not exist.

    Raises:
        OutputError: The folder cannot be created.
    """

    def __init__(self, experiment: Experiment, folder: str | os.PathLike[str]) -> None:
        self.experiment = experiment
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OutputError(f"The folder {folder} cannot be made ({exc.strerror}): give another one.") from exc
        self._plan = {
            "experiment": experiment.name,
            "control": experiment.control,
            "planned_units": experiment.planned_units,
            "shares": experiment.shares,
        }

    def assign(self, unit: str) -> Assignment:
        """Assigns a variant and records the exposure; an exposure without an outcome is a request that was lost.

        If the line cannot be written, a warning is logged and the unit is served all the same.
        """
        assignment = self.experiment.assign(unit)
        try:
            self._append("exposure", self._assignment_fields(unit, assignment))
        except OutputError as error:
            _LOGGER.warning("An exposure is missing: %s", error)
        return assignment

    def request_started(self, request_id: str, requested: str) -> None:
        """Does nothing: `assign` has recorded the exposure."""

    def request_finished(self, event: observers.RequestEvent) -> None:
        """Records the outcome of a request that names a unit.

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
        self._append("outcome", {**self._assignment_fields(event.unit, self.experiment.assign(event.unit)), **outcome})

    def rate(self, request_id: str, rating: int) -> None:
        """Records a person's rating of the result of a request; the last rating counts.

        Args:
            request_id: ID of the request, as in its event and in the server's log.
            rating: 1 to 5.

        Raises:
            OptionError: There is no such rating.
            OutputError: The line cannot be written.
        """
        if rating not in RATINGS:
            raise OptionError(f"There is no rating {rating}: give a whole number from {RATINGS[0]} to {RATINGS[-1]}.")
        self._append("rating", {"request_id": request_id, "rating": rating})

    def _assignment_fields(self, unit: str, assignment: Assignment) -> dict[str, Any]:
        return {
            "unit": hashed_unit(self.experiment.name, unit),
            "variant": assignment.name,
            "forced": assignment.forced,
        }

    def _append(self, kind: str, line: dict[str, Any]) -> None:
        now = datetime.now(timezone.utc)
        stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        path = self.folder / f"{self.experiment.name}.{now.date().isoformat()}{SUFFIX}"
        text = json.dumps({"kind": kind, "at": stamp, **self._plan, **line})
        append_lines(path, text.encode() + b"\n", mode=FILE_MODE)


def hashed_unit(experiment: str, unit: str) -> str:
    """The hash of a unit; the same within an experiment, but different in every other one."""
    digest = hashlib.sha256(f"{experiment}\n{unit}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:_UNIT_DIGITS]
