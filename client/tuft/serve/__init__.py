"""Start a real tritonserver on the published models: `tuft serve`, and a context manager for programs.

The way of a start: `options` say what is wanted, `binary` finds a tritonserver, `published` finds what it can serve,
`command` writes its arguments, `tuft.provenance` verifies its files, `compiled` keeps compiled graphs for it, `process`
runs it, `later` loads the other models, `reasons` reads its log when it fails; `run` is the whole.
"""

from __future__ import annotations

from tuft.serve.options import RUNTIMES, ServeOptions, ServerAddresses
from tuft.serve.run import running_server, serve, shell_command

__all__ = ["RUNTIMES", "ServeOptions", "ServerAddresses", "running_server", "serve", "shell_command"]
