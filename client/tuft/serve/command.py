"""The command line of tritonserver, and the ports it gets."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.errors import SetupError
from tuft.presets import DEFAULT_PRESET, PRESETS, working_size
from tuft.serve import compile_cache
from tuft.serve.discovery import adopted_models, machine_has_gpu, runtime_to_serve, sizes_to_serve
from tuft.serve.options import ServerAddresses
from tuft.serve.shared_memory import check_shared_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuft.serve.locate import Tritonserver
    from tuft.serve.options import ServeOptions

# Loading a model means running code of the loader's choice, and a trace or a log is a file wherever the caller likes:
# any program on this machine, and any web page in its browser, can reach a loopback port.
RESTRICTED: Final = "model-repository,shared-memory,trace,logging"
KEY_HEADER: Final = "tuft-key"


@dataclass(frozen=True)
class Command:
    """A start of tritonserver, decided in all details.

    Attributes:
        arguments: The program and its arguments.
        environment: Variables to be laid over the present ones.
        runtime: The runtime that serves.
        models: Names of the models that will be loaded before the server answers.
        later: Names of the models that are to be loaded when it does.
        key: Opens what is `RESTRICTED`, in the header `KEY_HEADER`.
        addresses: Where they will answer.
        shared_memory_prefix: What the Python backend's regions in /dev/shm are called.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    runtime: str
    models: tuple[str, ...]
    later: tuple[str, ...]
    key: str
    addresses: ServerAddresses
    shared_memory_prefix: str


def command_from_options(options: ServeOptions, server: Tritonserver, *, one_first: bool = False) -> Command:
    """Decide what `server` serves, where and how.

    Args:
        options: What is wanted.
        server: What there is.
        one_first: Whether it is to answer as soon as one model is loaded: that of the default preset, if it is among
            those that are wanted.

    Raises:
        SetupError: Nothing fitting is published, a port is taken, memory is short, or the server must not listen there.
    """
    if server.is_wheel and not options.address.is_loopback:
        raise SetupError(
            f"The wheel's tritonserver (24.10) has known security holes and must not listen on {options.host}: "
            "keep to 127.0.0.1, or serve with a current Triton container."
        )
    runtime = _runtime(options, server)
    sizes = sizes_to_serve(options.repository, runtime, options.sizes)
    # Who names sizes wants these and nothing else.
    adopted = adopted_models(options.repository, runtime) if options.sizes is None else {}
    models = (*map(contract.model_name, sizes), *adopted)
    if runtime == "python":
        check_shared_memory((*sizes, *adopted.values()))
    at_start = _first(models) if one_first else models
    later = tuple(model for model in models if model not in at_start)
    addresses, key = free_addresses(options), secrets.token_hex(16)
    prefix = f"tuft_{secrets.token_hex(8)}_"
    arguments = (
        str(server.executable),
        *server.arguments,
        *_model_arguments(options, runtime, at_start),
        # Strictly, a server is not ready while one of its models is loaded, and never again if that fails.
        f"--strict-readiness={'false' if later else 'true'}",
        *_endpoint_arguments(addresses, key),
        f"--backend-config=python,shm-region-prefix-name={prefix}",
        f"--exit-timeout-secs={round(options.stop_timeout_s)}",
        f"--log-verbose={int(options.log_verbose)}",
    )
    environment = {**server.environment, **_compiled(options, runtime)}
    return Command(arguments, environment, runtime, at_start, later, key, addresses, prefix)


def _first(models: tuple[str, ...]) -> tuple[str, ...]:
    default = contract.model_name(working_size(PRESETS[DEFAULT_PRESET], (0, 0)))
    return (default if default in models else models[0],)


def _compiled(options: ServeOptions, runtime: str) -> dict[str, str]:
    """The variable that tells `model.py` where to keep compiled graphs; empty, it keeps none."""
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
    # Explicit, so that a size that is not published is no error; only who has the key loads more, see RESTRICTED.
    arguments = [
        f"--model-repository={options.repository.resolve()}",
        "--model-control-mode=explicit",
        *(f"--load-model={model}" for model in models),
        "--disable-auto-complete-config",
        "--exit-on-error=true",
    ]
    # TensorRT's is the configuration that tritonserver reads when none is named.
    return arguments if runtime == "tensorrt" else [*arguments, f"--model-config-name={runtime}"]


def _endpoint_arguments(addresses: ServerAddresses, key: str) -> list[str]:
    restricted = f"{RESTRICTED}:{KEY_HEADER}={key}"
    return [
        f"--http-address={addresses.host}",
        f"--http-port={addresses.http_port}",
        f"--grpc-address={addresses.host}",
        f"--grpc-port={addresses.grpc_port}",
        f"--metrics-address={addresses.host}",
        f"--metrics-port={addresses.metrics_port}",
        f"--http-restricted-api={restricted}",
        f"--grpc-restricted-protocol={restricted}",
    ]


def free_addresses(options: ServeOptions) -> ServerAddresses:
    """The addresses asked for, after a look whether they are free; 0 becomes a free port.

    Raises:
        SetupError: One is taken, or is not this machine's.
    """
    host = str(options.address)
    ports = {"http": options.http_port, "grpc": options.grpc_port, "metrics": options.metrics_port}
    free = {}
    # All are held until the last is found, so that no two are the same.
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
