"""What each setting means and when to change it, for `tuft config` and the table in docs/settings.md."""

from __future__ import annotations

import inspect
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tuft.settings.sources import VARIABLES
from tuft.settings.values import SECRETS, Settings
from tuft.text import without_password

if TYPE_CHECKING:
    from collections.abc import Mapping

HIDDEN: Final = "(hidden)"

WHEN_TO_CHANGE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "url": "the server runs on another machine or port; `grpcs://` encrypts",
        "root_certificates": "the server's certificate is of your own authority ([TLS](serving.md#tls-and-access))",
        "client_certificate": "the server asks clients for certificates",
        "client_key": "the server asks clients for certificates",
        "token": "something in front of the server lets only its bearers in ([TLS](serving.md#tls-and-access))",
        "headers": "something in front of the server wants them; in a variable, separated by commas",
        "shared_memory": "milliseconds count and the server is on this machine ([how](serving.md#shared-memory))",
        "preset": "most requests should have another quality or speed ([presets](presets.md))",
        "timeout_s": "your own callers wait for less time, or a busy CPU serves the largest presets",
        "max_pixels": "larger photographs are legitimate, or memory is short",
        "max_bytes": "larger files are legitimate, or uploads are limited to less",
        "isolate_decoding": "pictures come from strangers ([image files](files.md#untrusted-pictures))",
        "fallback": "a smaller result is worse for you than none",
        "fallback_on": "a slow answer should become a smaller one (add `timeout`), or a cause should be an error",
        "stable_last": "any cut-out is better than none, even one with the edges of `stable`",
        "retries": "connections are often lost (more), or your caller retries already (0)",
        "retry_budget_percent": "a server in trouble must get no second requests (0)",
        "breaker_failures": "a model should be left alone sooner, or asked in any case (0)",
        "breaker_probe_s": "a server takes long to recover",
        "cache_dir": "the same photographs come again ([result cache](cache.md))",
        "cache_mb": "the disk has less room, or more photographs come again",
        "rollout_dir": "versions are replaced by `tuft rollout`; the same for all clients ([rollouts](rollout.md))",
        "metrics_port": "Prometheus is to scrape this process; 8003 is usual ([monitoring](monitoring.md#metrics))",
        "log": "requests are to be found again by their id ([monitoring](monitoring.md#logs))",
        "tracing": "the program uses OpenTelemetry ([monitoring](monitoring.md#traces))",
    }
)

_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


def meanings() -> dict[str, str]:
    """From each setting to its description in the docstring of `Settings`; empty where Python omits docstrings."""
    attributes = inspect.cleandoc(Settings.__doc__ or "").partition("Attributes:")[2].partition("Raises:")[0]
    return {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(attributes)}


def summaries() -> dict[str, str]:
    """From each setting to the first sentence of its description, for terminals."""
    return {name: text.split(". ")[0].rstrip(".").replace("`", "") for name, text in meanings().items()}


def public_value(name: str, value: Any) -> Any:
    """The value of the setting `name`, without what is secret in it."""
    if name == "url":
        return without_password(value)
    if name not in SECRETS or not value:
        return value
    if isinstance(value, str):
        return HIDDEN
    return tuple(f"{header.partition(':')[0]}: {HIDDEN}" if ":" in header else HIDDEN for header in value)


def value_text(value: object) -> str:
    """The value of a setting as it is shown to people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (",".join(map(str, value)) if isinstance(value, tuple) else str(value)) or "none"


def markdown_table() -> str:
    """Every setting with its variable, default, meaning, and when to change it."""
    defaults, known = vars(Settings()), meanings()
    rows = [
        f"| `{name}`, `{variable}` | {_default(defaults[name])} | {known[name]} | {WHEN_TO_CHANGE[name]} |"
        for name, variable in VARIABLES.items()
    ]
    return "\n".join(("| setting, variable | default | meaning | change it when |", "|---|---|---|---|", *rows))


def _default(value: object) -> str:
    text = value_text(value)
    return text if text in ("yes", "no", "none") else f"`{text}`"
