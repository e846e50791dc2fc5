"""The seam between the layers of a request: a runner turns a `RunRequest` into a `RunResult`.

Each runner adds one concern and knows only the next one, in the order in which `tuft.wiring` nests them:

    Routed       which server: the client's own, or an experiment's              inference/endpoints.py
    Prompted     which subject: the part of the photograph that a prompt means   inference/prompted.py
    Sized        which working size: no larger than the checkpoint gains from    inference/sized.py
    RolledOut    which version of the model, while a rollout runs                operations/rollout/runner.py
    Cached       a result that is kept already                                   operations/cache/runner.py
    Fallback     a smaller preset where the one asked for cannot be served       inference/fallback.py
    Saliency     resize, network, refine                                         inference/saliency.py
    Retrying     retries and circuit breakers around the transport               inference/retrying.py
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tuft import contract
from tuft.presets import working_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuft.imaging import Photo
    from tuft.imaging.matte import Matte
    from tuft.imaging.selection import Selection
    from tuft.inference.request import Request
    from tuft.inference.resilience import Deadline
    from tuft.presets import Preset
    from tuft.prompts import PromptSet


@dataclass(frozen=True, eq=False)
class RunRequest:
    """What a runner is asked for; a layer that changes something hands on a copy (`dataclasses.replace`).

    Attributes:
        photo: The photograph.
        preset: How to process it.
        state: The request that this is a part of; runners note in it what they do, and it can be cancelled.
        deadline: When to give up.
        queue_deadline: When the server may drop it from its queue; None: at `deadline`.
        model: Name of another model than the one of the preset's working size.
        version: Version of the model that the caller asks for; empty leaves the choice to a rollout or the server.
        versions: From names of models to the versions that a rollout has assigned.
        url: Address of another server than the client's own.
        unit: The key by which a rollout assigns versions.
        may_step_down: Whether a smaller preset may serve.
        prompt: Which subject is meant; None: what stands out.
        selected: What the prompt selects in `photo`, which then is a part of the photograph.
    """

    photo: Photo
    preset: Preset
    state: Request
    deadline: Deadline
    queue_deadline: Deadline | None = None
    model: str | None = None
    version: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    unit: str = ""
    may_step_down: bool = True
    prompt: PromptSet | None = None
    selected: Selection | None = None

    @property
    def model_name(self) -> str:
        """Name of the model that computes it."""
        return self.model or contract.model_name(working_size(self.preset, self.photo.size_hw))

    @property
    def model_version(self) -> str:
        """Version of that model to ask for; empty leaves the choice to the server."""
        return self.version or self.versions.get(self.model_name, "")


@dataclass(frozen=True, eq=False)
class RunResult:
    """The matte of a photograph and its origin.

    Attributes:
        matte: Alpha and foreground.
        preset: The preset that served.
        model: Name of the model that answered.
        version: Its version, as the server counts.
    """

    matte: Matte
    preset: Preset
    model: str
    version: str


class Runner(Protocol):
    """One layer of a request; usable from many threads at once."""

    def run(self, request: RunRequest) -> RunResult:
        """The result of a request.

        Raises:
            ServerError: No usable answer came; the class says why.
            NoSubjectError: The network found no subject.
            RequestCancelledError: The request was cancelled.
        """
        ...
