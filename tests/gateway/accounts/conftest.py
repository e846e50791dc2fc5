"""Databases for accounts: SQLite in a file, and a real PostgreSQL and Redis of the test's own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import Engine, text

from tuft_gateway.accounts import open_database
from tuft_gateway.accounts.database import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_S: Final = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def started(command: list[str], port: int, log: Path) -> Iterator[None]:
    """Runs a server until the block ends; the block begins when it listens."""
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline_s = time.monotonic() + _START_S
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait(timeout=30)


def as_postgres(command: list[str]) -> list[str]:
    """The command as the user `postgres`: PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL that nothing else uses."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("There is no PostgreSQL: apt-get install postgresql")
    programs = found[-1].parent
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/tuft-postgresql-XXXXXX"], text=True).strip())
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, pwd.getpwnam("postgres").pw_uid)
        data = folder / "data"
        made = [str(programs / "initdb"), "--no-sync", "--auth=trust", "--username=tuft", f"--pgdata={data}"]
        subprocess.run(as_postgres(made), check=True, capture_output=True, cwd="/")
        port = free_port()
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        run = as_postgres([str(programs / "postgres"), "-D", str(data), "-p", str(port), *options])
        with started(run, port, tmp_path_factory.mktemp("postgresql") / "log"):
            yield f"postgresql://tuft@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis that nothing else uses."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("There is no Redis: apt-get install redis-server")
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with started(command, port, folder / "log"):
        yield f"redis://127.0.0.1:{port}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.db'}"
    url: str = request.getfixturevalue("postgresql")
    engine = open_database(url)
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(text(f"DELETE FROM {table.name}"))
    engine.dispose()
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An empty database of each kind, opened."""
    opened = open_database(database_url)
    yield opened
    opened.dispose()
