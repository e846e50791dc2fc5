"""Timeline of the start of tritonserver, from its log (`tuft serve --verbose --log FILE`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LINE: Final = re.compile(r"[IWE]\d{4} (\d\d):(\d\d):(\d\d\.\d+) \d+ \S+\] (.*)")
# The log has no time zone and no date. Zones differ by multiples of 15 minutes, and a start takes less than that.
_QUARTER_S: Final = 900.0

_LOADING: Final = re.compile(r'"loading: (\w+):\d+"')
_COMPILED: Final = re.compile(r'"TRITONBACKEND_ModelInstanceInitialize: instance initialization successful (\w+)_0_0 ')
_LOADED: Final = re.compile(r"\"successfully loaded '(\w+)'\"")
_LISTENING: Final = re.compile(r'"Started GRPCInferenceService at ')


@dataclass(frozen=True)
class ModelStart:
    """The start of one model, in seconds since the start of the server.

    Attributes:
        loading_s: Its process is started.
        compiled_s: `initialize` has returned: libraries are imported, the graph is read and compiled.
        loaded_s: It accepts requests.
    """

    loading_s: float
    compiled_s: float
    loaded_s: float


@dataclass(frozen=True)
class ServerStart:
    """The start of the server, in seconds since it was called.

    Attributes:
        first_line_s: The server writes its first line.
        models: By name, in the order of loading.
        listening_s: The server accepts requests.
    """

    first_line_s: float
    models: dict[str, ModelStart]
    listening_s: float


def server_start(lines: Iterable[str], began_s: float) -> ServerStart:
    """Parses a log.

    Args:
        lines: The log of a server that has finished starting.
        began_s: When the start began, by `time.time`.

    Raises:
        ValueError: A part of the start is missing in the log.
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
