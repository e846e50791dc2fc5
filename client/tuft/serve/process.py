"""One tritonserver process: starts it, watches it, stops it and leaves nothing behind."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from tuft.errors import ServerTimeoutError, ServerUnreachableError, SetupError
from tuft.serve import exec_with_parent
from tuft.serve.command import KEY_HEADER
from tuft.serve.log_errors import error_from_reply, errors_from_log
from tuft.serve.proc import children, is_zombie, processor_s
from tuft.serve.shared_memory import remove_regions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuft.serve.command import Command

POLL_INTERVAL_S: Final = 0.2
READY_POLL_INTERVAL_S: Final = 0.02  # a caller waits for it
HEALTH_TIMEOUT_S: Final = 5.0
# Models are unloaded after the time for work in flight. If a model's process is dead, unloading never ends.
UNLOAD_TIMEOUT_S: Final = 10.0
LOST_MODEL_TIMEOUT_S: Final = 3.0
# Cleanly exited children are briefly zombies until Triton reaps them.
REAP_DELAY_S: Final = 0.2


class ServerProcess:
    """A tritonserver in a session of its own, which ends with the thread that starts it.

    In its own session it does not receive a terminal's Ctrl-C; it ends when `terminate` is called. If this program is
    killed, the kernel sends it SIGTERM.
    """

    def __init__(self, command: Command, log_file: Path) -> None:
        self.command = command
        self.log_file = log_file
        self.terminating = False
        self._dead_since_s: dict[int, float] = {}
        # Processes whose death is a failure: any child (None) until the server is ready, then those of loaded models.
        self._models: frozenset[int] | None = None
        self._has_lost_a_model = False
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", exec_with_parent.__file__, str(os.getpid()), *command.arguments],
                env={**os.environ, **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Waits until every model that is loaded at the start is ready.

        Returns:
            False if `terminate` was called in the meantime.

        Raises:
            SetupError: The server or a model's process ended; the message quotes the server's log.
            ServerTimeoutError: The server is not ready after `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while not self._is_ready():
            if self.has_ended():
                if self.terminating:
                    return False
                raise self._failure("tritonserver could not start")
            if self.lost_a_model():
                raise self._failure("The process of a model died while it was loaded")
            if time.monotonic() > deadline:
                raise ServerTimeoutError(
                    f"tritonserver was not ready within {timeout_s:g} s: see what it does in {self.log_file}, "
                    "or serve fewer sizes with --sizes."
                )
            time.sleep(READY_POLL_INTERVAL_S)
        self._models = self._living()
        return True

    def load(self, model: str, timeout_s: float) -> None:
        """Makes the running server load another model, and waits until it is ready.

        Raises:
            SetupError: The server cannot load it and goes on without it; the message says why.
            ServerTimeoutError: The model is not loaded after `timeout_s` seconds.
            ServerUnreachableError: The server has ended.
        """
        try:
            status, reply = self._request(
                "POST", f"/v2/repository/models/{model}/load", {KEY_HEADER: self.command.key}, timeout_s=timeout_s
            )
        except TimeoutError as exc:
            raise ServerTimeoutError(
                f"tritonserver has not loaded {model} within {timeout_s:g} s: see what it does in {self.log_file}."
            ) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise ServerUnreachableError("tritonserver has ended: start it again.") from exc
        if status != http.client.OK:
            raise SetupError(
                f"tritonserver cannot load {model} and goes on without it: {error_from_reply(reply)} "
                f"(all of it in {self.log_file})."
            )
        self._models = self._living()

    def processor_s(self) -> float:
        """Processor time of the server and its models' processes in seconds, all cores together."""
        return sum(map(processor_s, (self._process.pid, *children(self._process.pid))))

    def wait(self) -> int | None:
        """Waits until the server ends.

        Returns:
            The exit code, or None as soon as the process of a model has died: Triton 2.51 then still reports the model
            as ready and fails every request to it.
        """
        while not self.has_ended():
            if self.lost_a_model() and not self.terminating:
                return None
            time.sleep(POLL_INTERVAL_S)
        return self.kill()

    def terminate(self) -> None:
        """Lets the server finish the work in flight and end."""
        self.terminating = True
        if not self.has_ended():
            self._process.terminate()

    def stop(self, timeout_s: float) -> int:
        """Ends the server and all processes of its models; kills them after `timeout_s` seconds.

        Returns:
            The exit code; a negative signal number if the server was killed.
        """
        self.terminate()
        deadline = time.monotonic() + (LOST_MODEL_TIMEOUT_S if self._has_lost_a_model else timeout_s)
        while not self.has_ended() and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL_S)
        return self.kill()

    def kill(self) -> int:
        """Kills what is left of the server and the processes of its models.

        Returns:
            The exit code; a negative signal number if the server was killed.
        """
        if self._process.returncode is None:
            # The server has not been reaped, so its process id still names its own group.
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        remove_regions(self.command.shared_memory_prefix)
        return code

    def has_ended(self) -> bool:
        """Whether the server has ended; unlike `Popen.poll`, does not reap it, which is left to `stop`."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def lost_a_model(self) -> bool:
        """Whether the process of a loaded model has died: Triton reaps only children that it has ended itself.

        The death of a process while its model is being loaded beside others is handled by `load`.
        """
        now_s = time.monotonic()
        dead = frozenset(filter(is_zombie, children(self._process.pid)))
        if self._models is not None:
            dead &= self._models
        self._dead_since_s = {pid: self._dead_since_s.get(pid, now_s) for pid in dead}
        self._has_lost_a_model = any(now_s - since_s >= REAP_DELAY_S for since_s in self._dead_since_s.values())
        return self._has_lost_a_model

    def _living(self) -> frozenset[int]:
        return frozenset(pid for pid in children(self._process.pid) if not is_zombie(pid))

    def _is_ready(self) -> bool:
        paths = ["/v2/health/ready", *(f"/v2/models/{model}/ready" for model in self.command.models)]
        return all(self._is_ok(path) for path in paths)

    def _is_ok(self, path: str) -> bool:
        try:
            return self._request("GET", path, {}, timeout_s=HEALTH_TIMEOUT_S)[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def _request(self, method: str, path: str, headers: Mapping[str, str], *, timeout_s: float) -> tuple[int, bytes]:
        """Status and body of the reply to an HTTP request."""
        addresses = self.command.addresses
        connection = http.client.HTTPConnection(addresses.reachable_host, addresses.http_port, timeout=timeout_s)
        try:
            connection.request(method, path, headers=dict(headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _failure(self, what: str) -> SetupError:
        errors = errors_from_log(self.log_file)
        if errors:
            return SetupError(f"{what}: {'; '.join(errors)} (all of it in {self.log_file}).")
        return SetupError(f"{what}: its log, {self.log_file}, may say why.")
