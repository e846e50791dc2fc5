"""One running tritonserver: started, watched, stopped, with nothing left behind."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.errors import ServerTimeoutError, SetupError
from tuft.serve import tied
from tuft.serve.reasons import reasons_from_log
from tuft.serve.shared_memory import remove_regions

if TYPE_CHECKING:
    from tuft.serve.command import Command

POLL_INTERVAL_S: Final = 0.2
HEALTH_TIMEOUT_S: Final = 5.0
# Unloading the models comes after the time that work in flight is given; without the model's process it never ends.
UNLOAD_TIMEOUT_S: Final = 10.0
LOST_TIMEOUT_S: Final = 3.0


class ServerProcess:
    """A tritonserver in a session of its own, tied to the life of the thread that starts it.

    Its own session keeps a terminal's Ctrl-C from it: it ends when `terminate` says so. If this program is killed, the
    kernel tells it to end.
    """

    def __init__(self, command: Command, log_file: Path) -> None:
        self.command = command
        self.log_file = log_file
        self.terminating = False
        self._dead: frozenset[int] = frozenset()
        self._has_lost_a_model = False
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", tied.__file__, str(os.getpid()), *command.arguments],
                env={**os.environ, **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until every model is ready.

        Returns:
            False if `terminate` was called meanwhile.

        Raises:
            SetupError: The server ended, or a model's process did; the message quotes the server's log.
            ServerTimeoutError: It is not ready after `timeout_s` seconds.
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
            time.sleep(POLL_INTERVAL_S)
        return True

    def wait(self) -> int | None:
        """Wait for the end.

        Returns:
            The exit code, or None as soon as the process of a model has died: Triton 2.51 then goes on saying that the
            model is ready and fails every request to it.
        """
        while not self.has_ended():
            if self.lost_a_model() and not self.terminating:
                return None
            time.sleep(POLL_INTERVAL_S)
        return self.kill()

    def terminate(self) -> None:
        """Let the server finish the work in flight and end."""
        self.terminating = True
        if not self.has_ended():
            self._process.terminate()

    def stop(self, timeout_s: float) -> int:
        """End the server and all processes of its models, by force after `timeout_s` seconds.

        Returns:
            The exit code; a negative signal number if it took force.
        """
        self.terminate()
        deadline = time.monotonic() + (LOST_TIMEOUT_S if self._has_lost_a_model else timeout_s)
        while not self.has_ended() and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL_S)
        return self.kill()

    def kill(self) -> int:
        """End by force whatever is left of the server and the processes of its models.

        Returns:
            The exit code; a negative signal number if it took force.
        """
        if self._process.returncode is None:
            # Nobody has collected the server yet, so its number still means its group and no other.
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        remove_regions(self.command.shared_memory_prefix)
        return code

    def has_ended(self) -> bool:
        """Whether the server has ended; unlike `Popen.poll`, leaves it to be collected by `stop`."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def lost_a_model(self) -> bool:
        """Whether a child of the server is dead and has been since the last call: Triton does not collect them."""
        dead = frozenset(pid for pid in _children(self._process.pid) if _is_zombie(pid))
        self._has_lost_a_model = bool(dead & self._dead)
        self._dead = dead
        return self._has_lost_a_model

    def _is_ready(self) -> bool:
        paths = ["/v2/health/ready", *(f"/v2/models/{model}/ready" for model in self.command.models)]
        return all(self._answers(path) for path in paths)

    def _answers(self, path: str) -> bool:
        addresses = self.command.addresses
        connection = http.client.HTTPConnection(addresses.reachable_host, addresses.http_port, timeout=HEALTH_TIMEOUT_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _failure(self, what: str) -> SetupError:
        reasons = reasons_from_log(self.log_file)
        if reasons:
            return SetupError(f"{what}: {'; '.join(reasons)} (all of it in {self.log_file}).")
        return SetupError(f"{what}: its log, {self.log_file}, may say why.")


def _children(pid: int) -> list[int]:
    """The children of a process, those of all its threads."""
    children: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += map(int, file.read_text().split())
        except OSError:  # the thread is gone
            continue
    return children


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    # The name, in parentheses, may contain anything; the state is the first field after it.
    return stat.rpartition(")")[2].split()[0] == "Z"
