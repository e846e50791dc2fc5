"""`tuft doctor`: reports what is installed, whether the server answers, and which versions of models are ready."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import tuft
from tuft import contract
from tuft.cli._shared import DONE, FAILED, add_command, add_repository, add_server_options, repository_of, settings_of
from tuft.errors import ServerError, ServerUnreachableError, SetupError
from tuft.inference.transport.access import Access
from tuft.inference.transport.connect import connect, transport_name
from tuft.presets import PRESETS, working_size
from tuft.serve.discovery import adopted_names
from tuft.serve.locate import find_tritonserver
from tuft.text import without_password

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from tuft.cli._shared import Commands
    from tuft.inference.transport.base import ServerInfo, Transport
    from tuft.settings import Settings

# From each distribution to what needs it.
PACKAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "numpy": "the client",
        "pillow": "the client",
        "opencv-python-headless": "the client",
        "tritonclient": "the client",
        "grpcio": "the client",
        "nvidia-pytriton": "tuft serve without a container",
        "openvino": "tuft serve without a container",
        "onnx": "local and tuft-export",
        "onnxruntime": "local and tuft-export",
        "safetensors": "local and tuft-export",
        "torch": "tuft-export",
    }
)


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "doctor", _run, "check the installation, the server and its models")
    add_server_options(parser)
    add_repository(parser)


def _run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments, required=False)
    opened = partial(connect, settings.url, Access.of(settings))
    diagnosis = examine(settings, opened, repository=repository_of(arguments), key=os.environ.get("TUFT_KEY", ""))
    print(f"{'tuft':<14}{tuft.__version__}\n{diagnosis}")
    return DONE if diagnosis else FAILED


@dataclass(frozen=True)
class Diagnosis:
    """The state of the installation and of the server; true if the server is ready for the preset.

    Attributes:
        versions: From each of `PACKAGES` to its version; None if it is not installed.
        tritonserver: Path of the tritonserver that `tuft serve` would start, or why there is none.
        url: Address of the server.
        server: Name and version of the server; None if it did not answer.
        problem: Why the server did not answer; None if it did.
        models: From each model of `tuft.contract`, and each other one that is known, to its ready versions.
        preset: Name of the preset to be served.
        may_list: Whether the server tells which other models it has.
    """

    versions: Mapping[str, str | None]
    tritonserver: str
    url: str
    server: ServerInfo | None
    problem: str | None
    models: Mapping[str, tuple[str, ...]]
    preset: str
    may_list: bool = True

    def __bool__(self) -> bool:
        return all(self.models.get(model) for model in models_of_preset(self.preset))

    def __str__(self) -> str:
        answer = f"{self.server.name} {self.server.version} {self._where}" if self.server else self.problem
        verdict = "is ready" if self else "is not ready"
        packages = {name: installed or f"missing ({PACKAGES[name]})" for name, installed in self.versions.items()}
        models = {name: _readiness(versions) for name, versions in self.models.items()}
        if not self.may_list:
            models["others"] = "listed by the server only for its key: set TUFT_KEY, or name the --repository"
        return "\n".join(
            (
                f"Python        {platform.python_version()} on {platform.system()} {platform.machine()}",
                *_section("Packages", packages),
                f"tritonserver  {self.tritonserver}",
                f"Server        {answer}",
                *_section("Models", models),
                f"Preset        {self.preset} {verdict}",
            )
        )

    @property
    def _where(self) -> str:
        return (
            f"answers at {self.url}" if transport_name(self.url) is None else f"computes in this process ({self.url})"
        )


def _section(title: str, rows: Mapping[str, str]) -> list[str]:
    """Lines of names and values, the first one headed by `title`."""
    return [f"{'' if row else title:<14}{name:<24}{value}" for row, (name, value) in enumerate(rows.items())]


def _readiness(versions: tuple[str, ...]) -> str:
    if not versions:
        return "not ready"
    if len(versions) == 1:
        return f"ready, version {versions[0]}"
    return f"ready, versions {', '.join(versions)} ({versions[-1]} answers unless another is named)"


def models_of_preset(name: str) -> tuple[str, ...]:
    """The models that must be ready for the preset `name`: one, or for `auto` one for each size of photograph."""
    sides = (*contract.SIZES, max(contract.SIZES) + 1)
    sizes = {working_size(PRESETS[name], (side, side)) for side in sides}
    return tuple(contract.model_name(size) for size in sorted(sizes))


def examine(
    settings: Settings, connect: Callable[[], Transport], *, repository: Path | None = None, key: str = ""
) -> Diagnosis:
    """Examines this installation and the server of `settings`.

    Args:
        settings: Name the server and the preset.
        connect: Opens the connection, which is closed again.
        repository: A model repository whose adopted models are looked for as well.
        key: The key of the server's restricted protocols, with which it lists its models.
    """
    server, problem, may_list = None, None, True
    names = [*(spec.name for spec in contract.MODELS.values()), *adopted_names(repository)]
    models: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    try:
        transport = connect()
        try:
            server = transport.server_info()
            others, may_list = _other_models(transport, key)
            models.update({name: transport.ready_versions(name) for name in dict.fromkeys((*names, *others))})
        finally:
            transport.close()
    except (ServerError, SetupError) as error:
        problem = str(error)
    installed = {name: _version(name) for name in PACKAGES}
    return Diagnosis(
        installed, _tritonserver(), without_password(settings.url), server, problem, models, settings.preset, may_list
    )


def _other_models(transport: Transport, key: str) -> tuple[Collection[str], bool]:
    """The models that the server lists beside tuft's own, and whether it does list them."""
    try:
        return transport.other_models(key), True
    except ServerUnreachableError as error:
        if error.transient:
            raise
        return (), False  # restricted


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
