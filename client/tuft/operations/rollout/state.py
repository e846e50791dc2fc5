"""The state of a rollout: one small file in a folder that all clients and the controller share."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from tuft.errors import OptionError, OutputError
from tuft.files import write_atomically
from tuft.operations.experiments import share_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STEPS: Final = (0.0, 0.01, 0.1, 0.5, 1.0)  # shares of the requests; 0 while the new version is loaded and warmed up
Phase = Literal["running", "finished", "withdrawn"]

_FILE: Final = "rollout.json"
_LOCK: Final = "rollout.lock"


@dataclass(frozen=True, kw_only=True)
class Guards:
    """Limits on how much worse the new version may be than the old one; all numbers are above zero.

    Attributes:
        errors: Increase of the share of failed requests, 0..1.
        p95_ratio: Ratio of the p95 latencies, new to old; above 1.
        quality: Decrease of the mean quality score, 0..1.
        near_zero: Increase of the share of requests with a quality score near zero, 0..1.
        subject: Change, in either direction, of the mean share of the picture that is subject, 0..1.
        min_requests: Number of requests to the new version, from as many units where pictures matter, before there is a
            verdict; the old version needs twice as many.
        standard_errors: How far a difference must lie beyond its limit, in standard errors. The guardrails are
            evaluated every few seconds: with 4, chance trips one in less than one rollout in a hundred.

    Raises:
        OptionError: A number is out of its range.
    """

    errors: float = 0.02
    p95_ratio: float = 1.5
    quality: float = 0.03
    near_zero: float = 0.02
    subject: float = 0.05
    min_requests: int = 10
    standard_errors: float = 4.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value, least = getattr(self, one.name), 1 if one.name == "p95_ratio" else 0
            if not (isinstance(value, int | float) and least < value < math.inf):
                raise OptionError(f"The guardrail {one.name} is {value}: give a number above {least}.")


@dataclass(frozen=True)
class Cluster:
    """A KServe InferenceService whose variants are the versions.

    Attributes:
        service: Its name.
        namespace: Its namespace.
        api: Address of the cluster's API; empty for the cluster that `tuft rollout` runs in.
        models: From versions to what they change in the predictor's `model`: `storageUri`, and `env` with the digest.
        port: Of gRPC, in the Services of variants.
    """

    service: str
    namespace: str
    api: str = ""
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    port: int = 9000

    @property
    def path(self) -> str:
        """Of the resource, in the cluster's API."""
        return f"/apis/serving.kserve.io/v1beta1/namespaces/{self.namespace}/inferenceservices/{self.service}"

    def url_of(self, version: str) -> str:
        """The gRPC address of a version, within the cluster."""
        return f"{self.service}-v{version}-predictor.{self.namespace}:{self.port}"


@dataclass(frozen=True)
class Plan:
    """The state of a rollout.

    Attributes:
        name: Unique name of the rollout; it also salts the assignment.
        model: Name of the model whose version changes.
        old: The version that served before.
        new: The version that is rolled out.
        url: The server's gRPC address.
        step: Index into `STEPS`.
        before: The previous step.
        phase: `running`; `finished` once the new version serves all requests; `withdrawn` once the old one does again.
        reason: Why it was withdrawn, as a sentence; empty otherwise.
        guards: Limits on how much worse the new version may be.
        cluster: Where the versions are variants of an InferenceService; None if one server has both.

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
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.step < len(STEPS) and self.phase in get_args(Phase)):
            raise OptionError(f"There is no step {self.step} of a rollout that is {self.phase!r}: start a new one.")

    @property
    def share(self) -> float:
        """Share of the requests that the new version is given, 0..1."""
        return {"running": STEPS[self.step], "finished": 1.0, "withdrawn": 0.0}[self.phase]

    def url_of(self, version: str) -> str:
        """The address of the server that has a version; empty for the client's own."""
        return "" if self.cluster is None else self.cluster.url_of(version)

    def gives_new(self, key: str) -> bool:
        """Whether the new version serves the unit `key`; it keeps doing so while the share does not decrease."""
        return share_of(key, self.name) < self.share


def read_plan(folder: Path) -> Plan | None:
    """Reads the plan in a shared folder; None if there has been no rollout yet.

    Raises:
        OptionError: The file cannot be read, or does not hold a plan.
    """
    path = folder / _FILE
    try:
        values = json.loads(path.read_bytes())
        guards, cluster = Guards(**values["guards"]), values.get("cluster")
        return Plan(**{**values, "guards": guards, "cluster": None if cluster is None else Cluster(**cluster)})
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise OptionError(f"{path} cannot be read ({exc.strerror}): check who may read it.") from exc
    except (ValueError, TypeError, KeyError) as exc:
        raise OptionError(f"{path} holds no rollout: delete it, and start anew.") from exc


def write_plan(folder: Path, plan: Plan) -> None:
    """Publishes a plan to all clients; readers see either the previous plan or this one.

    Raises:
        OutputError: The file cannot be written.
    """
    write_atomically(folder / _FILE, json.dumps(asdict(plan), indent=2).encode() + b"\n")


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Held by the process that changes the plan, or the versions that the server has loaded for it.

    Raises:
        OutputError: The folder cannot be created or written to.
    """
    import fcntl  # missing on Windows, where only clients are supported

    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("wb")
    except OSError as exc:
        raise OutputError(f"The folder {folder} cannot be used ({exc.strerror}): give another one.") from exc
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
