"""What everybody has to know of a rollout: one small file in a folder that all clients and the conductor share."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from tuft.errors import OptionError, OutputError
from tuft.files import write_atomically
from tuft.operations.experiments import share_of
from tuft.operations.rollout.guardrails import Guards

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS: Final = (0.0, 0.01, 0.1, 0.5, 1.0)  # 0 while the new version is loaded and warmed up
Phase = Literal["running", "finished", "withdrawn"]

_FILE: Final = "rollout.json"
_LOCK: Final = "rollout.lock"


@dataclass(frozen=True)
class Plan:
    """Where a rollout stands.

    Attributes:
        name: Of this rollout and no other; it salts the assignment.
        model: Whose version changes.
        old: The version that served before.
        new: The version that is to serve.
        url: The server's gRPC address.
        step: Index into `STEPS`.
        before: The step before it.
        phase: `running`; `finished`, when all requests are left to the new version; `withdrawn`, when to the old one.
        reason: Why it was withdrawn, a sentence; empty otherwise.
        guards: What is not to happen.

    Raises:
        OptionError: A value is out of its range.
    """

    name: str
    model: str
    old: str
    new: str
    url: str
    step: int = 0
    before: int = 0
    phase: Phase = "running"
    reason: str = ""
    guards: Guards = field(default_factory=Guards)

    def __post_init__(self) -> None:
        if not (0 <= self.step < len(STEPS) and self.phase in get_args(Phase)):
            raise OptionError(f"There is no step {self.step} of a rollout that is {self.phase!r}: start a new one.")

    @property
    def share(self) -> float:
        """Of the requests, how many the new version is given, 0..1."""
        return {"running": STEPS[self.step], "finished": 1.0, "withdrawn": 0.0}[self.phase]

    def gives_new(self, key: str) -> bool:
        """Whether the new version serves `key`; once it does it goes on, as long as the share does not fall."""
        return share_of(key, self.name) < self.share


def read_plan(folder: Path) -> Plan | None:
    """The plan in a shared folder; None if there was no rollout yet.

    Raises:
        OptionError: The file cannot be read, or holds no plan.
    """
    path = folder / _FILE
    try:
        values = json.loads(path.read_bytes())
        return Plan(**{**values, "guards": Guards(**values["guards"])})
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise OptionError(f"{path} cannot be read ({exc.strerror}): check who may read it.") from exc
    except (ValueError, TypeError, KeyError) as exc:
        raise OptionError(f"{path} holds no rollout: delete it, and start anew.") from exc


def write_plan(folder: Path, plan: Plan) -> None:
    """Tells everybody where the rollout stands; readers see the plan before or this one, never half of it.

    Raises:
        OutputError: The file cannot be written.
    """
    write_atomically(folder / _FILE, json.dumps(asdict(plan), indent=2).encode() + b"\n")


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Whoever changes the plan, or what the server has loaded for it, does so alone.

    Raises:
        OutputError: The folder cannot be made or written to.
    """
    import fcntl  # not on Windows, where clients may still take part

    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("wb")
    except OSError as exc:
        raise OutputError(f"The folder {folder} cannot be used ({exc.strerror}): give another one.") from exc
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
