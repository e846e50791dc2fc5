"""The settings, their defaults and their ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tuft import imaging
from tuft.errors import OptionError
from tuft.presets import DEFAULT_PRESET, FALLBACK_CAUSES, FallbackCause, preset_from_name
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping


# From the type of a default to what is accepted, and its name in messages. Numbers may be NumPy's.
_TYPES: Final[Mapping[type, tuple[tuple[type, ...], str]]] = MappingProxyType(
    {
        str: ((str, PathLike), "a text"),
        float: ((Real,), "a number"),
        int: ((Real,), "a number"),  # also 1e8, and math.inf for no limit
        bool: ((bool,), "True or False"),
        tuple: ((tuple, list), "a tuple of names"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a client; requests may override some of them.

    Attributes:
        url: Address of the server's gRPC port, with `grpcs://` for TLS, or `local` to compute in this process.
            `local:FOLDER` computes the models of a repository.
        root_certificates: PEM file of the authorities that may sign the server's certificate; empty for the public
            ones. For `grpcs://`, as are the next two.
        client_certificate: PEM file of the certificate, with its chain, that the server asks for; empty for none.
        client_key: PEM file of its private key; empty if the certificate's file holds it, too.
        token: Sent with every call as `authorization: Bearer TOKEN`; empty for none. Shown nowhere.
        headers: Sent with every call, each as `name: value`. The values are shown nowhere.
        shared_memory: Whether pictures go to a server on this machine through memory that both share. The server must
            allow it, and both must have the same `TUFT_KEY`; without that, they are sent as messages.
        preset: The preset of requests that name none, one of `tuft.PRESETS`.
        timeout_s: Seconds above 0 that the server may take for one photograph, all attempts included.
        max_pixels: 1 or more; photographs with more pixels are refused before they are decoded.
        max_bytes: 1 or more; files with more bytes are refused before they are read.
        isolate_decoding: Whether photographs are decoded in sandboxed processes, bounded in time and memory.
        fallback: Whether a smaller preset may serve when the one asked for cannot.
        fallback_on: The causes for which it may, some of `memory`, `busy`, `timeout`, `circuit`, `missing`. In this
            order: the server has not enough memory; its queue is full, or the request waited in it for half of its
            time; no answer came within half of the time left, and the smaller preset gets the other half; the model has
            failed so often that it is not asked; the server does not serve the model, or not yet.
        stable_last: Whether `stable` may serve when `standard` cannot either. It asks the same model again, and its
            edges are not refined.
        retries: 0..10, how often a request is sent again at most after a refused or lost connection.
        retry_budget_percent: 0..100, retries allowed for a hundred requests; the first ten are free. So they do not
            overload a server that is in trouble already.
        breaker_failures: Consecutive failures after which a model is not asked for a while; 0 always asks.
        breaker_probe_s: Seconds above 0 after which one request probes such a model.
        cache_dir: Folder of the result cache, which answers identical requests without the server; empty for none.
        cache_mb: Megabytes above 0 that the cache may take.
        rollout_dir: Folder of the rollout that requests take part in (`tuft rollout --state`); empty for none.
        metrics_port: 0..65535, port of the loopback interface for Prometheus; 0 offers none.
        log: `stderr` or a file for one line of JSON a request; empty for none.
        tracing: Whether requests become spans of OpenTelemetry.

    Raises:
        OptionError: A value is out of its range.
    """

    url: str = "localhost:8001"
    root_certificates: str = ""
    client_certificate: str = ""
    client_key: str = ""
    token: str = field(default="", repr=False)
    headers: tuple[str, ...] = field(default=(), repr=False)
    shared_memory: bool = False
    preset: str = DEFAULT_PRESET
    timeout_s: float = 120.0
    max_pixels: int = imaging.MAX_PIXELS
    max_bytes: int = imaging.MAX_BYTES
    isolate_decoding: bool = False
    fallback: bool = True
    fallback_on: tuple[FallbackCause, ...] = ("memory", "busy", "circuit", "missing")
    stable_last: bool = False
    retries: int = 2
    retry_budget_percent: float = 10.0
    breaker_failures: int = 5
    breaker_probe_s: float = 2.0
    cache_dir: str = ""
    cache_mb: float = 1024.0
    rollout_dir: str = ""
    metrics_port: int = 0
    log: str = ""
    tracing: bool = False

    def __post_init__(self) -> None:
        self._require_types()
        preset_from_name(self.preset)
        self._require_seconds("timeout_s")
        self._require_between("max_pixels", 1, math.inf)
        self._require_between("max_bytes", 1, math.inf)
        self._require_between("retries", 0, 10)
        self._require_between("retry_budget_percent", 0, 100)
        self._require_between("breaker_failures", 0, math.inf)
        self._require_seconds("breaker_probe_s")
        self._require_between("metrics_port", 0, 65535)
        if not (self.cache_mb > 0 and math.isfinite(self.cache_mb)):
            raise OptionError(f"cache_mb is {self.cache_mb}: give a number of megabytes above zero.")
        for cause in self.fallback_on:
            if cause not in FALLBACK_CAUSES:
                choices = ", ".join(FALLBACK_CAUSES)
                raise OptionError(f"There is no reason {shown(repr(cause))} for fallback_on: choose some of {choices}.")

    def overridden(self, **arguments: Any) -> Settings:
        """These settings with other values for the attributes named, except where the value is None.

        Raises:
            OptionError: A value is out of its range.
        """
        return replace(self, **{name: value for name, value in arguments.items() if value is not None})

    def _require_types(self) -> None:
        """Without this, `timeout_s="5"` would raise a TypeError of Python's, or worse be used."""
        for setting in fields(self):
            accepted, meaning = _TYPES[type(setting.default)]
            value = getattr(self, setting.name)
            if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
                given = shown(repr(value)) if setting.repr else "of another type"
                raise OptionError(f"{setting.name} is {given}: give {meaning}.")

    def _require_seconds(self, name: str) -> None:
        value = getattr(self, name)
        if not (value > 0 and math.isfinite(value)):
            raise OptionError(f"{name} is {value}: give a number of seconds above zero.")

    def _require_between(self, name: str, lowest: float, highest: float) -> None:
        value = getattr(self, name)
        if not lowest <= value <= highest:
            bounds = f"{lowest} or more" if highest == math.inf else f"from {lowest} to {highest}"
            raise OptionError(f"{name} is {value}: give a number that is {bounds}.")


NAMES: Final = tuple(setting.name for setting in fields(Settings))
SECRETS: Final = tuple(setting.name for setting in fields(Settings) if not setting.repr)
