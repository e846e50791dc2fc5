"""The tables, and how they are opened. Credits are whole hundredths, so that sums are exact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Column, Engine, Float, ForeignKey, Index, Integer, MetaData, String, Table, event
from sqlalchemy import create_engine as sqlalchemy_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from tuft.errors import OptionError, SetupError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.pool import ConnectionPoolEntry

_BUSY_TIMEOUT_MS: Final = 10_000
_INSTALL: Final = "pip install 'tuft-matting[gateway-shared]'"

metadata: Final = MetaData()

# Of a key only its hash is stored: it is 256 random bits, so that a plain hash cannot be guessed.
keys: Final = Table(
    "tuft_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("monthly_hundredths", BigInteger),  # null: without a limit
    Column("added_s", BigInteger, nullable=False),
    Column("revoked_s", BigInteger),
)
# What is promised to requests on their way. A gateway that dies leaves its promises behind; they expire.
reservations: Final = Table(
    "tuft_reservations",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("key_id", String(16), ForeignKey("tuft_keys.id"), nullable=False),
    Column("hundredths", Integer, nullable=False),
    Column("expires_s", BigInteger, nullable=False),
    Index("tuft_reservations_by_key", "key_id"),
)
charges: Final = Table(
    "tuft_charges",
    metadata,
    Column("request_id", String(64), primary_key=True),  # the same request is never charged twice
    Column("key_id", String(16), ForeignKey("tuft_keys.id"), nullable=False),
    Column("month", String(7), nullable=False),
    Column("hundredths", Integer, nullable=False),
    Column("preset", String(100), nullable=False),
    Column("megapixels", Float, nullable=False),
    Column("charged_s", BigInteger, nullable=False),
)
# The sum of each month's charges, so that a request does not add up all of them.
usage: Final = Table(
    "tuft_usage",
    metadata,
    Column("key_id", String(16), ForeignKey("tuft_keys.id"), primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("hundredths", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
)


def open_database(url: str) -> Engine:
    """Opens a database and makes the tables that it lacks.

    Args:
        url: As SQLAlchemy writes it: `sqlite:////folder/gateway.db` or `postgresql://user:password@host/name`.

    Raises:
        OptionError: The URL names no such database.
        SetupError: The database cannot be opened, or its driver is not installed.
    """
    target = _parsed(url)
    if target.get_backend_name() == "sqlite":
        _make_private(target)
    try:
        engine = sqlalchemy_engine(target, pool_pre_ping=True)
        if engine.dialect.name == "sqlite":
            _use_immediate_transactions(engine)
        metadata.create_all(engine)
    except (NoSuchModuleError, ImportError) as exc:
        raise SetupError(f"The driver of that database is missing ({exc}): {_INSTALL}.") from exc
    except SQLAlchemyError as exc:
        reason = str(getattr(exc, "orig", None) or exc).strip().splitlines()[0]
        raise SetupError(f"The database {target.render_as_string()} cannot be opened: {reason}.") from exc
    return engine


def _parsed(url: str) -> URL:
    try:
        target = make_url(url)
    except ArgumentError as exc:
        raise OptionError(f"The database {url[:80]!r} is no URL: give sqlite:////FILE or postgresql://...") from exc
    backend = target.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise OptionError(f"There is no support for {backend}: give sqlite:////FILE or postgresql://...")
    return target.set(drivername="postgresql+psycopg") if backend == "postgresql" else target


def _make_private(target: URL) -> None:
    """Creates a database file that only its owner may read."""
    if target.database in (None, "", ":memory:"):
        return
    file = Path(str(target.database))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600, exist_ok=True)
    except OSError as exc:
        raise SetupError(f"The database {file} cannot be made ({exc.strerror}): name another with --database.") from exc


def _use_immediate_transactions(engine: Engine) -> None:
    """Makes each transaction take SQLite's write lock at its beginning.

    By default a transaction that reads first and writes later fails if another one wrote in between.
    """

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # sqlite3 must not begin transactions of its own
        for pragma in ("journal_mode = WAL", "foreign_keys = ON", f"busy_timeout = {_BUSY_TIMEOUT_MS}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
