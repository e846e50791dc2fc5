"""Start a real tritonserver on the published models: `tuft serve`, and a context manager for programs.

The steps of a start: `options` holds the settings, `locate` finds a tritonserver, `discovery` the models that it can
serve, `command` builds its arguments, `tuft.provenance` verifies the files, `compile_cache` keeps compiled graphs,
`process` runs the server, `deferred_loading` loads the other models, `log_errors` reads the log after a failure. `run`
joins them.
"""

from __future__ import annotations

from tuft.contract import RUNTIMES
from tuft.serve.discovery import repository_to_serve
from tuft.serve.options import ServeOptions, ServerAddresses
from tuft.serve.run import background_server, running_server, serve, shell_command

__all__ = [
    "RUNTIMES",
    "ServeOptions",
    "ServerAddresses",
    "background_server",
    "repository_to_serve",
    "running_server",
    "serve",
    "shell_command",
]
