"""Builds the command line of tritonserver and chooses its ports."""

from __future__ import annotations

import os
import re
import secrets
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.errors import SetupError
from tuft.inference.transport.access import KEY_VARIABLE
from tuft.presets import DEFAULT_PRESET, PRESETS, working_size
from tuft.serve import compile_cache
from tuft.serve.discovery import adopted_models, has_matting, machine_has_gpu, runtime_to_serve, sizes_to_serve
from tuft.serve.options import ServerAddresses
from tuft.serve.shared_memory import check_shared_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuft.serve.locate import Tritonserver
    from tuft.serve.options import ServeOptions

# Loading a model runs code that the caller chooses, and traces and logs are written to any path that the caller names.
# Every program on this machine, and every web page in its browser, can reach a loopback port.
RESTRICTED: Final = "model-repository,trace,logging"
# The server reads and writes the memory that clients register: code was executed that way (CVE-2025-23319).
SHARED_MEMORY: Final = "shared-memory"
KEY_HEADER: Final = "tuft-key"


@dataclass(frozen=True)
class Command:
    """Everything that is decided before tritonserver starts.

    Attributes:
        arguments: The program and its arguments.
        environment: Variables that override the present ones.
        runtime: The runtime that serves.
        models: Names of the models that are loaded before the server answers.
        deferred: Names of the models that are loaded afterwards.
        key: Gives access to the `RESTRICTED` endpoints, in the header `KEY_HEADER`, and to `SHARED_MEMORY` if that is
            allowed.
        addresses: The endpoints.
        shared_memory_prefix: Prefix of the names of the Python backend's regions in /dev/shm.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    runtime: str
    models: tuple[str, ...]
    deferred: tuple[str, ...]
    key: str
    addresses: ServerAddresses
    shared_memory_prefix: str


def command_from_options(options: ServeOptions, server: Tritonserver, *, one_first: bool = False) -> Command:
    """Decides which models `server` serves, on which addresses and with which arguments.

    Args:
        options: The caller's choices.
        server: The installed tritonserver.
        one_first: Whether to answer as soon as one model is loaded: the default preset's if it is served, else the
            first. The others are deferred.

    Raises:
        SetupError: No suitable model is published, a port is taken, memory is short, or the server must not listen on
            that address.
    """
    if server.is_wheel and not options.address.is_loopback:
        raise SetupError(
            f"The wheel's tritonserver (24.10) has known security holes and must not listen on {options.host}: "
            "keep to 127.0.0.1, or serve with a current Triton container."
        )
    runtime = _runtime(options, server)
    sizes = sizes_to_serve(options.repository, runtime, options.sizes)
    # A caller who names sizes gets these and no adopted models.
    adopted = adopted_models(options.repository, runtime) if options.sizes is None else {}
    stage = (contract.MATTING_MODEL,) if has_matting(options.repository, runtime) else ()
    models = (*map(contract.model_name, sizes), *adopted, *stage)
    if runtime == "python":
        check_shared_memory((*sizes, *adopted.values()))
    at_start = _first(models) if one_first else models
    deferred = tuple(model for model in models if model not in at_start)
    addresses, key = free_addresses(options), _key(shared_memory=options.shared_memory)
    prefix = f"tuft_{secrets.token_hex(8)}_"
    arguments = (
        str(server.executable),
        *server.arguments,
        *_model_arguments(options, runtime, at_start),
        # With strict readiness the server is not ready while a model is loading, and never again if that fails.
        f"--strict-readiness={'false' if deferred else 'true'}",
        *_endpoint_arguments(addresses),
        *_restrictions(options, server, key),
        f"--backend-config=python,shm-region-prefix-name={prefix}",
        f"--exit-timeout-secs={round(options.stop_timeout_s)}",
        f"--log-verbose={int(options.log_verbose)}",
    )
    environment = {**server.environment, **_compiled(options, runtime)}
    if KEY_VARIABLE in os.environ:
        environment[KEY_VARIABLE] = ""  # models have no use for the key
    return Command(arguments, environment, runtime, at_start, deferred, key, addresses, prefix)


def _key(*, shared_memory: bool) -> str:
    """The caller's key, so that `tuft rollout` can use it too; without one, a new one that nobody else knows."""
    key = os.environ.get(KEY_VARIABLE, "")
    if not key and shared_memory:
        raise SetupError(
            f"Clients need a key for shared memory and {KEY_VARIABLE} is not set: make one with "
            "`openssl rand -hex 32`, and set it for the server and its clients."
        )
    if not key:
        return secrets.token_hex(16)
    if not re.fullmatch(r"[A-Za-z0-9._-]{32,}", key):
        raise SetupError(
            f"{KEY_VARIABLE} is too short or holds other signs than A-Z, a-z, 0-9, '.', '_' and '-': "
            "make one with `openssl rand -hex 32`."
        )
    return key


def _first(models: tuple[str, ...]) -> tuple[str, ...]:
    default = contract.model_name(working_size(PRESETS[DEFAULT_PRESET], (0, 0)))
    return (default if default in models else models[0],)


def _compiled(options: ServeOptions, runtime: str) -> dict[str, str]:
    """The variable that names the folder of compiled graphs for `model.py`; empty turns the cache off."""
    if runtime != "python":
        return {}
    return {compile_cache.VARIABLE: str(compile_cache.compiled_folder()) if options.keep_compiled else ""}


def _runtime(options: ServeOptions, server: Tritonserver) -> str:
    if options.runtime is None:
        return runtime_to_serve(options.repository, server.backends, has_gpu=machine_has_gpu())
    if options.runtime not in server.backends:
        raise SetupError(
            f"{server.executable} has no {options.runtime} backend, only {', '.join(server.backends)}: "
            "choose another runtime, or use Triton's container, which has them all."
        )
    return options.runtime


def _model_arguments(options: ServeOptions, runtime: str, models: tuple[str, ...]) -> list[str]:
    # Explicit mode, so that an unpublished size is no error. Loading more models takes the key, see RESTRICTED.
    arguments = [
        f"--model-repository={options.repository.resolve()}",
        "--model-control-mode=explicit",
        *(f"--load-model={model}" for model in models),
        "--disable-auto-complete-config",
        "--exit-on-error=true",
    ]
    # config.pbtxt, which tritonserver reads by default, is the configuration for TensorRT.
    return arguments if runtime == "tensorrt" else [*arguments, f"--model-config-name={runtime}"]


def _endpoint_arguments(addresses: ServerAddresses) -> list[str]:
    return [
        f"--http-address={addresses.host}",
        f"--http-port={addresses.http_port}",
        f"--grpc-address={addresses.host}",
        f"--grpc-port={addresses.grpc_port}",
        f"--metrics-address={addresses.host}",
        f"--metrics-port={addresses.metrics_port}",
    ]


def _restrictions(options: ServeOptions, server: Tritonserver, key: str) -> list[str]:
    """What only those may use who have the key; shared memory nobody may, unless the options allow it."""
    keys = {RESTRICTED: key, SHARED_MEMORY: key if options.shared_memory else secrets.token_hex(16)}
    arguments = [
        f"{option}={apis}:{KEY_HEADER}={opens}"
        for option in ("--http-restricted-api", "--grpc-restricted-protocol")
        for apis, opens in keys.items()
    ]
    # Triton has it switched off since 26.05; the wheel's knows no switch.
    return [*arguments, "--allow-client-shm=true"] if options.shared_memory and not server.is_wheel else arguments


def free_addresses(options: ServeOptions) -> ServerAddresses:
    """The requested addresses, checked to be free; port 0 becomes a free port.

    Raises:
        SetupError: An address is taken, or is not an address of this machine.
    """
    host = str(options.address)
    ports = {"http": options.http_port, "grpc": options.grpc_port, "metrics": options.metrics_port}
    free = {}
    # All sockets stay open until the last port is chosen, so that no two ports are the same.
    with ExitStack() as held:
        for name, port in ports.items():
            listener = held.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
            except OSError as exc:
                raise SetupError(
                    f"tritonserver cannot listen on {host}:{port} for {name} ({exc.strerror}): stop what listens "
                    f"there, or choose another port with --{name}-port (0 takes a free one)."
                ) from exc
            free[name] = int(listener.getsockname()[1])
    return ServerAddresses(host, free["http"], free["grpc"], free["metrics"])
