"""Connections and transactions, on SQLite or PostgreSQL. A transaction sees one tenant, or none.

Must never let a transaction keep its tenant for the next one, nor wait for a lock without an end.

    with database.reading(tenant_id) as connection: …
    with database.writing(tenant_id) as connection: …     all or nothing

On PostgreSQL the tenant is a setting of the transaction that row-level security compares with; on SQLite,
where one process owns the file, the queries' own conditions do it alone (and stand in both).
"""

import contextlib
import json
import math
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from host_sim.cloud.settings import LOCAL, NETWORK
from host_sim.cloud.storage import patience, trips
from host_sim.cloud.storage.remembered import Remembered
from host_sim.cloud.storage.tables import counts
from host_sim.trouble import Trouble

# By which a network that lets nothing pass any more is noticed within half a minute; a URL may say else.
SILENCE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30000}
LOCK_S = 10  # seconds that a transaction waits for another
PLACE_S = 30  # that it waits for a connection of the pool
TURN_S = 4 * LOCK_S  # that a turn of the exchange waits for answers: longer than the server lets it work
CONNECT_S = 2  # the least that the driver waits for a connection
POOL = 12  # connections of a process, besides the one of its exchange
ASK_S = 30  # after which a connection that nobody used is asked whether it is one
IN_MEMORY = (None, "", ":memory:")  # of SQLite: each engine would have a database of its own
# What the database does not do now, and may do later; the latter where no connection is free.
FAILURES = (DBAPIError, sa.exc.TimeoutError)
NO_PASSWORD = ": name a file with the role's password in PGPASSFILE (mode 0600), or set PGPASSWORD"
VERIFIED = ("verify-ca", "verify-full")  # of libpq's sslmode: those that look who the server is
TENANT = "hxtp.tenant"  # the settings that the policies read
USER = "hxtp.user"
_SEE = "SELECT set_config(%s, %s, true), set_config(%s, %s, true)"
# A turn finds all rows by their keys. A plan is kept, and one that was made for small tables would go on
# reading them from one end to the other when they have grown.
_SEE_BY_KEYS = f"{_SEE}, set_config('enable_seqscan', 'off', true)"


class DatabaseError(Trouble):
    """The database cannot be used; says why and what to do, without a password."""


class Unsure(OperationalError):
    """The connection was lost, or waited for in vain, while it was asked to commit: it may have done so."""

    def __init__(self, error: DBAPIError) -> None:
        super().__init__(None, None, error.orig or error, hide_parameters=True, connection_invalidated=True)


class Database:
    """`url`: sqlite:///FILE, or postgresql://ROLE@HOST/NAME with the role that the cloud runs as."""

    def __init__(self, url: str) -> None:
        """Raises DatabaseError, and OSError where SQLite's file can have no folder; `check` for the file."""
        try:
            self.url = sa.make_url(_driver(url))
        except ArgumentError:
            raise DatabaseError(
                "the database's URL cannot be read; write sqlite:///FILE or postgresql://ROLE@HOST/NAME"
            ) from None
        self.name = self.url.set(drivername=self.url.get_backend_name()).render_as_string(hide_password=True)
        if self.url.get_backend_name() not in ("sqlite", "postgresql"):
            raise DatabaseError(f"{self.name}: use sqlite:///FILE or postgresql://ROLE@HOST/NAME")
        check_network(self.url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._passwords: dict[str, str] = {}  # of libpq's parameters, those that say where they are

        def make(url: sa.URL, connections: int) -> sa.Engine:
            if self.is_sqlite:
                return _sqlite(url, connections)
            return _postgresql(url, connections, self._passwords)

        self.engine = make(self.url, POOL)
        self._writers = self.engine.execution_options(hxtp_writes=True)
        self._readers = self.engine.execution_options(postgresql_readonly=True)
        # For the exchange alone, whose turns are everybody's: those who read much cannot take all of it.
        in_memory = self.is_sqlite and self.url.database in IN_MEMORY
        self._own = self.engine if in_memory else make(self.url, 1)
        self._turns = self._own.execution_options(hxtp_writes=True)
        self._places = threading.BoundedSemaphore(POOL)
        self.remembered = Remembered()

    def use_passwords(self, file: Path | None) -> None:
        """Take the role's password from this file, of libpq's form, or from where libpq looks for a file, and
        not from PGPASSWORD: that is another role's. Before anything is asked.
        """
        said = self.url.password or self.url.query.get("password")
        self._passwords["password"] = str(said or "")  # which libpq takes for none, and yet for said
        if file is not None:
            self._passwords["passfile"] = str(file)

    def when_turning(self, connected: Callable[[Any], None]) -> None:
        """Call `connected` with each connection of the driver's that `turning` is going to use."""
        sa.event.listen(self._own, "connect", lambda driver, record: connected(driver))

    def close(self) -> None:
        self.engine.dispose()
        self._own.dispose()

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """A connection of the pool is free. Here and not in the pool, which does not ask who waits."""
        if not self._places.acquire(timeout=patience.left(PLACE_S)):
            raise sa.exc.TimeoutError("no connection of the pool became free")
        try:
            yield
        finally:
            self._places.release()

    @contextlib.contextmanager
    def reading(self, tenant_id: str | None = None, user_id: str | None = None) -> Iterator[sa.Connection]:
        """A transaction that changes nothing."""
        with self._place(), self._readers.connect() as connection:
            if tenant_id or user_id:
                self.see(connection, tenant_id, user_id)
            yield connection
            # Not by a rollback: after one psycopg forgets what it has prepared, and so does the server.
            connection.commit()

    @contextlib.contextmanager
    def writing(
        self, tenant_id: str | None = None, user_id: str | None = None, quiet: bool = False
    ) -> Iterator[sa.Connection]:
        """A transaction that is committed where the block ends without an exception. Raises Unsure.

        `quiet`: it changes nothing that anybody keeps in `remembered`.
        """
        try:
            with self._place(), self._writers.connect() as connection, connection.begin() as transaction:
                if tenant_id or user_id:
                    self.see(connection, tenant_id, user_id)
                yield connection
                try:
                    transaction.commit()
                except DBAPIError as error:
                    if error.connection_invalidated:
                        raise Unsure(error) from None
                    raise
        finally:  # also where it is not known whether it was committed
            if not quiet:
                self.remembered.forget()

    @contextlib.contextmanager
    def turning(self, writes: bool = True) -> Iterator[sa.Connection]:
        """As `writing` of what nobody keeps in `remembered`, over the connection of the exchange's thread.

        `writes`: whether on SQLite others may not write meanwhile.
        """
        engine = self._turns if writes else self._own
        with patience.patience(TURN_S), engine.begin() as connection, trips.on(connection):
            yield connection

    def see(self, connection: sa.Connection, tenant_id: str | None, user_id: str | None = None) -> None:
        """Let what follows in this transaction see this tenant's rows, and no other's (before: none)."""
        if not self.is_sqlite:
            text = _SEE_BY_KEYS if trips.under_way(connection) else _SEE
            trips.send(connection, text, (TENANT, tenant_id or "", USER, user_id or ""))

    def check(self) -> None:
        """Raises DatabaseError where it cannot be asked."""
        try:
            with self.reading() as connection:
                connection.execute(sa.select(1))
        except DBAPIError as error:
            raise DatabaseError(f"{self.name}: {reason_of(error)}") from None

    def check_writing(self) -> None:
        """Raises DatabaseError where nothing can be stored: a full disk, or one that may only be read."""
        row = {"name": "a check", "window": 0, "count": 1, "ends_at": 0}
        try:
            with self.writing(quiet=True) as connection:
                connection.execute(counts.delete().where(counts.c.name == row["name"]))
                connection.execute(counts.insert().values(row))
        except DBAPIError as error:
            raise DatabaseError(f"{self.name}: {reason_of(error)}") from None


def one_of(connection: sa.Connection, column: Any, values: Collection[str]) -> Any:
    """Whether a column of text is one of these; on PostgreSQL one statement for any number of them."""
    if connection.dialect.name == "sqlite":
        return column.in_(list(values))
    return column == sa.any_(sa.cast(sa.literal(list(values), ARRAY(sa.Text)), ARRAY(sa.Text)))


_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def json_text(value: Any) -> str:
    """JSON as both databases keep it: PostgreSQL has no U+0000, which a device may send: replaced."""
    text = json.dumps(value)
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def has_nul(text: str) -> bool:
    """Whether there is a U+0000 in this JSON, so that it would be kept as something else."""
    return "\\u0000" in text and _NUL.search(text) is not None


def check_network(url: sa.URL) -> None:
    """Raises DatabaseError where a PostgreSQL on another machine could be anybody, or be listened to."""
    if url.get_backend_name() != "postgresql":
        return
    mode = url.query.get("sslmode") or os.environ.get("PGSSLMODE", "")
    # A host may carry its port there; what begins like these is a socket in a folder.
    away = [host for host in _hosts(url) if host and host[0] not in "/@" and host not in LOCAL]
    if away and mode not in VERIFIED:
        raise DatabaseError(
            f"the database at {away[0]}: {NETWORK} postgresql://ROLE@HOST/NAME?sslmode=verify-full "
            "(with sslrootcert=FILE for a CA of your own, sslrootcert=system for the system's)"
        )


def _hosts(url: sa.URL) -> Sequence[str]:
    """Where a PostgreSQL may be, tried one after the other; an empty one is where libpq looks by itself."""
    named = url.query.get("host") or url.host or os.environ.get("PGHOST", "")
    return named.split(",") if isinstance(named, str) else named


def _driver(url: str) -> str:
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url[len(plain) :]
    return url


def names_what_is_gone(error: sa.exc.IntegrityError) -> bool:
    """Whether a row was to name one that is not there."""
    driver = error.orig
    if isinstance(driver, sqlite3.IntegrityError):
        return driver.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
    return isinstance(driver, psycopg.errors.ForeignKeyViolation)


def reason_of(error: BaseException | None) -> str:
    """What a driver says, in one line; with what to do where it only says that there is no password. Of any
    other exception its kind alone: its text may hold what was being stored.
    """
    if isinstance(error, DBAPIError):
        error = error.orig
    if not isinstance(error, psycopg.Error | sqlite3.Error | sa.exc.TimeoutError):
        return type(error).__name__
    lines = str(error).strip().splitlines()
    text = lines[0][:200] if lines else type(error).__name__
    return f"{text}{NO_PASSWORD}" if "no password supplied" in text else text


def _sqlite(url: sa.URL, connections: int) -> sa.Engine:
    if url.database and url.database not in IN_MEMORY:
        if not url.database.startswith("file:"):  # of which SQLite makes out the path
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {
            "pool_size": connections,
            "max_overflow": 0,
            "poolclass": sa.pool.QueuePool,
        }
    else:
        options = {"poolclass": sa.pool.StaticPool}
    engine = sa.create_engine(
        url,
        json_serializer=json_text,
        hide_parameters=True,  # of a statement that failed: they may be somebody's
        connect_args={"timeout": LOCK_S, "check_same_thread": False, "isolation_level": None},
        **options,
    )

    @sa.event.listens_for(engine, "do_connect")
    def opening(dialect: Any, record: Any, arguments: Any, options: Any) -> None:
        file = url.database
        if file and file not in IN_MEMORY and not file.startswith("file:") and not os.path.exists(file):
            # SQLite would let everybody read it, and makes the files beside it like it.
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))

    @sa.event.listens_for(engine, "connect")
    def opened(connection: sqlite3.Connection, record: Any) -> None:
        cursor = connection.cursor()
        # FULL: what was committed is there after a power cut too; commits are shared, so they are few.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        # Who is going to write says so at once: to become a writer halfway fails where another was quicker.
        writes = connection.get_execution_options().get("hxtp_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: sa.URL, connections: int, passwords: Mapping[str, str]) -> sa.Engine:
    engine = sa.create_engine(
        url,
        json_serializer=json_text,
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        connect_args={
            **{name: value for name, value in SILENCE.items() if name not in url.query},
            "options": f"-c lock_timeout={LOCK_S}s -c statement_timeout={3 * LOCK_S}s "
            f"-c idle_in_transaction_session_timeout={6 * LOCK_S}s",
        },
    )

    hosts = len(_hosts(url))

    @sa.event.listens_for(engine, "do_connect")
    def connecting(dialect: Any, record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        seconds = patience.left(LOCK_S * hosts)
        if seconds < CONNECT_S:
            raise psycopg.OperationalError("nobody waits any longer for a connection")
        # For each of the hosts. What is below 1 would be no end at all.
        options["connect_timeout"] = max(CONNECT_S, int(seconds / hosts))
        return patience.Connection.connect(*arguments, **{**options, **passwords})

    @sa.event.listens_for(engine, "checkin")
    def given_back(driver: Any, record: Any) -> None:
        record.info["hxtp.idle since"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def taken(driver: Any, record: Any, proxy: Any) -> None:
        if not _alive(engine, driver, record.info.get("hxtp.idle since", math.inf)):
            raise sa.exc.InvalidatePoolError  # the pool makes a new one, and does not trust the others

    return engine


def _alive(engine: sa.Engine, driver: Any, idle_since: float) -> bool:
    """Whether a connection of the pool still leads somewhere.

    A server that has gone said so, which costs no question; asked is only one that was silent for long, which
    something between may have forgotten.
    """
    try:
        for _ in range(2):  # the reason, where it told one, and then the end
            driver.pgconn.consume_input()
        if driver.pgconn.status != psycopg.pq.ConnStatus.OK:
            return False
        return time.monotonic() - idle_since < ASK_S or engine.dialect.do_ping(driver)
    except psycopg.Error:
        return False
