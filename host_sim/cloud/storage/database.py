"""Connections and transactions, on SQLite or PostgreSQL. A transaction sees one tenant, or none.

Must never let a transaction keep its tenant for the next one, nor wait for a lock without an end.

    with database.reading(tenant_id) as connection: …
    with database.writing(tenant_id) as connection: …     all or nothing

On PostgreSQL the tenant is a setting of the transaction that row-level security compares with; on SQLite,
where one process owns the file, the queries' own conditions do it alone (and stand in both).
"""

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from host_sim.cloud.storage.remembered import Remembered

LOCK_S = 10  # seconds that a transaction waits for another
POOL = 12  # connections of a process
TENANT = "hxtp.tenant"  # the settings that the policies read
USER = "hxtp.user"


class DatabaseError(Exception):
    """The database cannot be used; says why and what to do, without a password."""


class Database:
    """`url`: sqlite:///FILE, or postgresql://ROLE@HOST/NAME with the role that the cloud runs as."""

    def __init__(self, url: str) -> None:
        try:
            self.url = sa.make_url(_driver(url))
        except ArgumentError:
            raise DatabaseError(
                "the database's URL cannot be read; write sqlite:///FILE or postgresql://ROLE@HOST/NAME"
            ) from None
        self.name = self.url.render_as_string(hide_password=True)
        if self.url.get_backend_name() not in ("sqlite", "postgresql"):
            raise DatabaseError(f"{self.name}: use sqlite:///FILE or postgresql://ROLE@HOST/NAME")
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(self.url) if self.is_sqlite else _postgresql(self.url)
        self._writers = self.engine.execution_options(hxtp_writes=True)
        self.remembered = Remembered()

    def use_passwords(self, file: Path) -> None:
        """Take the role's password from this file, of libpq's form. Before anything is asked."""

        @sa.event.listens_for(self.engine, "do_connect")
        def connecting(dialect: Any, record: Any, arguments: Any, options: dict[str, Any]) -> None:
            options["passfile"] = str(file)

    def close(self) -> None:
        self.engine.dispose()

    @contextlib.contextmanager
    def reading(self, tenant_id: str | None = None, user_id: str | None = None) -> Iterator[sa.Connection]:
        """A transaction that changes nothing."""
        with self.engine.connect() as connection:
            self.see(connection, tenant_id, user_id)
            yield connection
            connection.rollback()

    @contextlib.contextmanager
    def writing(
        self, tenant_id: str | None = None, user_id: str | None = None, quiet: bool = False
    ) -> Iterator[sa.Connection]:
        """A transaction that is committed where the block ends without an exception.

        `quiet`: it changes nothing that anybody keeps in `remembered`.
        """
        try:
            with self._writers.begin() as connection:
                self.see(connection, tenant_id, user_id)
                yield connection
        finally:  # also where it is not known whether it was committed
            if not quiet:
                self.remembered.forget()

    def see(self, connection: sa.Connection, tenant_id: str | None, user_id: str | None = None) -> None:
        """Let what follows in this transaction see this tenant's rows, and no other's."""
        if self.is_sqlite:
            return
        connection.execute(
            sa.select(
                sa.func.set_config(TENANT, tenant_id or "", True),
                sa.func.set_config(USER, user_id or "", True),
            )
        )

    def check(self) -> None:
        """Raises DatabaseError where it cannot be asked."""
        try:
            with self.reading() as connection:
                connection.execute(sa.select(1))
        except DBAPIError as error:
            raise DatabaseError(f"{self.name}: {_reason(error)}") from None


_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def json_text(value: Any) -> str:
    """JSON as both databases keep it: PostgreSQL has no U+0000, which a device may send: replaced."""
    text = json.dumps(value)
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def has_nul(text: str) -> bool:
    """Whether there is a U+0000 in this JSON, so that it would be kept as something else."""
    return "\\u0000" in text and _NUL.search(text) is not None


def _driver(url: str) -> str:
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url[len(plain) :]
    return url


def _reason(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0][:200] if lines else type(error.orig).__name__


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {"pool_size": POOL, "max_overflow": 0, "poolclass": sa.pool.QueuePool}
    else:
        options = {"poolclass": sa.pool.StaticPool}
    engine = sa.create_engine(
        url,
        json_serializer=json_text,
        hide_parameters=True,  # of a statement that failed: they may be somebody's
        connect_args={"timeout": LOCK_S, "check_same_thread": False, "isolation_level": None},
        **options,
    )

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


def _postgresql(url: sa.URL) -> sa.Engine:
    return sa.create_engine(
        url,
        json_serializer=json_text,
        hide_parameters=True,
        pool_size=POOL,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": LOCK_S,
            "options": f"-c lock_timeout={LOCK_S}s -c statement_timeout={3 * LOCK_S}s "
            f"-c idle_in_transaction_session_timeout={6 * LOCK_S}s",
        },
    )
