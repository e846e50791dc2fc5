"""When tritonserver did what while it started, by its own log (`tuft serve --verbose --log FILE`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LINE: Final = re.compile(r"[IWE]\d{4} (\d\d):(\d\d):(\d\d\.\d+) \d+ \S+\] (.*)")
# A log tells neither its zone nor its day. Zones differ by whole quarters of an hour, and no start takes one.
_QUARTER_S: Final = 900.0

_LOADING: Final = re.compile(r'"loading: (\w+):\d+"')
_COMPILED: Final = re.compile(r'"TRITONBACKEND_ModelInstanceInitialize: instance initialization successful (\w+)_0_0 ')
_LOADED: Final = re.compile(r"\"successfully loaded '(\w+)'\"")
_LISTENING: Final = re.compile(r'"Started GRPCInferenceService at ')


@dataclass(frozen=True)
class ModelStart:
    """One model's, in seconds since the start.

    Attributes:
        loading_s: Its process is started.
        compiled_s: `initialize` has returned: libraries imported, the graph read and compiled.
        loaded_s: It can be asked.
    """

    loading_s: float
    compiled_s: float
    loaded_s: float


@dataclass(frozen=True)
class ServerStart:
    """The server's, in seconds since the start.

    Attributes:
        first_line_s: It runs.
        models: By name, in the order in which they were loaded.
        listening_s: It answers.
    """

    first_line_s: float
    models: dict[str, ModelStart]
    listening_s: float


def server_start(lines: Iterable[str], began_s: float) -> ServerStart:
    """Reads a log.

    Args:
        lines: Of a server that has started.
        began_s: When the start began, by `time.time`.

    Raises:
        ValueError: The log does not tell all of it.
    """
    events = list(_events(lines, began_s))
    loading, compiled, loaded = (_by_model(events, pattern) for pattern in (_LOADING, _COMPILED, _LOADED))
    listening = [at_s for at_s, text in events if _LISTENING.match(text)]
    if not listening or not loaded.keys() <= compiled.keys() & loading.keys():
        raise ValueError("The log does not tell a whole start: serve with --verbose, and wait until it is ready.")
    models = {name: ModelStart(loading[name], compiled[name], loaded[name]) for name in loaded}
    return ServerStart(events[0][0], models, listening[0])


def _events(lines: Iterable[str], began_s: float) -> Iterator[tuple[float, str]]:
    for line in lines:
        if found := _LINE.match(line):
            at_s = (int(found[1]) * 60 + int(found[2])) * 60 + float(found[3])
            yield (at_s - began_s) % _QUARTER_S, found[4]


def _by_model(events: Iterable[tuple[float, str]], pattern: re.Pattern[str]) -> dict[str, float]:
    return {found[1]: at_s for at_s, text in events if (found := pattern.match(text))}
