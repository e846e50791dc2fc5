"""What is installed, what answers, and which models are ready: the answers behind `tuft doctor`."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.errors import ServerError, SetupError
from tuft.presets import PRESETS, working_size
from tuft.serve.locate import find_tritonserver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuft.inference.transport.base import ServerInfo, Transport
    from tuft.settings import Settings

# Distribution -> what it is for; without the first ones nothing works.
PACKAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "numpy": "the client",
        "pillow": "the client",
        "opencv-python-headless": "the client",
        "tritonclient": "the client",
        "grpcio": "the client",
        "nvidia-pytriton": "tuft serve without a container",
        "openvino": "tuft serve without a container",
        "torch": "tuft-export",
        "onnx": "tuft-export",
        "onnxruntime": "tuft-export",
    }
)


@dataclass(frozen=True)
class Diagnosis:
    """What was found; true if the server is ready for the preset.

    Attributes:
        versions: From each of `PACKAGES` to its version; None if it is not installed.
        tritonserver: Where a tritonserver to start is, or why there is none.
        url: Address that was asked.
        server: Who answered there; None if nobody did.
        problem: Why nobody answered; None if somebody did.
        models: From each model of `tuft.contract` to whether it is ready.
        preset: Name of the preset to be served.
    """

    versions: Mapping[str, str | None]
    tritonserver: str
    url: str
    server: ServerInfo | None
    problem: str | None
    models: Mapping[str, bool]
    preset: str

    def __bool__(self) -> bool:
        return all(self.models.get(model, False) for model in models_of_preset(self.preset))

    def __str__(self) -> str:
        answer = f"{self.server.name} {self.server.version} answers at {self.url}" if self.server else self.problem
        verdict = "is ready" if self else "is not ready"
        return "\n".join(
            (
                f"Python        {platform.python_version()} on {platform.system()} {platform.machine()}",
                *(
                    f"{'Packages' if row == 0 else '':<14}{name:<24}{installed or f'missing ({PACKAGES[name]})'}"
                    for row, (name, installed) in enumerate(self.versions.items())
                ),
                f"tritonserver  {self.tritonserver}",
                f"Server        {answer}",
                *(
                    f"{'Models' if row == 0 else '':<14}{name:<24}{'ready' if ready else 'not ready'}"
                    for row, (name, ready) in enumerate(self.models.items())
                ),
                f"Preset        {self.preset} {verdict}",
            )
        )


def models_of_preset(name: str) -> tuple[str, ...]:
    """The models that have to be ready for the preset `name`: one, or for `auto` one for each size of photograph."""
    sides = (*contract.SIZES, max(contract.SIZES) + 1)
    sizes = {working_size(PRESETS[name], (side, side)) for side in sides}
    return tuple(contract.model_name(size) for size in sorted(sizes))


def examine(settings: Settings, connect: Callable[[], Transport]) -> Diagnosis:
    """Looks at this installation and at the server of `settings`.

    Args:
        settings: Names the server and the preset.
        connect: Opens the way to the server.
    """
    server, models, problem = None, dict.fromkeys((spec.name for spec in contract.MODELS.values()), False), None
    try:
        transport = connect()
        try:
            server = transport.server_info()
            models.update(dict.fromkeys(transport.ready_models(), True))
        finally:
            transport.close()
    except (ServerError, SetupError) as error:
        problem = str(error)
    versions = {name: _version(name) for name in PACKAGES}
    return Diagnosis(versions, _tritonserver(), settings.url, server, problem, models, settings.preset)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _tritonserver() -> str:
    try:
        return str(find_tritonserver().executable)
    except SetupError as error:
        return str(error)
