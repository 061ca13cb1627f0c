"""Statements of a transaction on PostgreSQL that travel together, so that a turn waits for the network twice.

    with database.turning() as connection:
        trips.send(connection, text, values)    leaves with the next one that waits; nobody reads its result
        trips.rows(connection, text, values)    waits: what it gives, after all that was sent before
        trips.land(connection)                  waits; then what is executed otherwise may give rows too

Each wait costs more than the network's time: the thread has to get the interpreter back from the others. On
SQLite, and in any other transaction, everything is executed at once. Must never let a failure of what was
sent pass: whoever waits next is told, at the latest the commit, which then does not happen.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

Values = Sequence[Any] | Mapping[str, Any]  # for %s, or for %(name)s
_TRIP = "hxtp.trip"  # its place in what SQLAlchemy keeps beside a connection


class _Trip:
    """What is under way in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        self._connection = connection
        self._driver = driver
        self._stack = contextlib.ExitStack()
        self._pipeline: psycopg.Pipeline | None = None

    def execute(self, text: str, values: Values) -> "psycopg.Cursor[Any]":
        with self._told():
            if self._pipeline is None:
                self._pipeline = self._stack.enter_context(self._driver.pipeline())
            return self._driver.execute(text, values)  # type: ignore[arg-type]  # no text of anybody else's

    def rows(self, text: str, values: Values) -> list[tuple]:
        with self._told():
            cursor = self.execute(text, values)
            # Only to fetch would leave the driver in doubt whether a transaction has begun.
            self._pipeline.sync()
            return cursor.fetchall()

    def land(self) -> None:
        with self._told():
            self._pipeline = None
            self._stack.close()

    def commit(self) -> None:
        if self._pipeline is None:
            return  # SQLAlchemy does it
        with self._told():
            # By SQLAlchemy it would be one more wait.
            done = self._driver.execute("COMMIT", prepare=False)
            self.land()
        if done.statusmessage != "COMMIT":  # what PostgreSQL says where the transaction had failed before
            raise OperationalError("COMMIT", None, psycopg.OperationalError(f"it says {done.statusmessage}"))

    def abandon(self) -> None:
        """Leave it to a rollback."""
        self._pipeline = None
        with contextlib.suppress(psycopg.Error):
            self._stack.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            lost = self._driver.closed or self._driver.broken
            if lost:
                self._connection.invalidate(error)
            raise DBAPIError.instance(
                None,
                None,
                error,
                psycopg.Error,
                hide_parameters=True,
                connection_invalidated=lost,
                dialect=self._connection.dialect,
            ) from error


@contextlib.contextmanager
def on(connection: sa.Connection) -> Iterator[None]:
    """Statements of this transaction travel together until the block's end, and the commit with the last."""
    if connection.dialect.name == "sqlite":
        yield
        return
    info = connection.info
    trip = info[_TRIP] = _Trip(connection)
    try:
        yield
        trip.commit()
    except BaseException:
        trip.abandon()
        raise
    finally:
        del info[_TRIP]


def under_way(connection: sa.Connection) -> bool:
    """Whether statements of this transaction travel together."""
    return _TRIP in connection.info


def send(connection: sa.Connection, text: str, values: Values) -> None:
    """Execute a statement of which nobody wants to know more than that it worked."""
    trip = connection.info.get(_TRIP)
    if trip is None:
        connection.exec_driver_sql(text, _plain(values))
    else:
        trip.execute(text, values)


def rows(connection: sa.Connection, text: str, values: Values) -> list[tuple]:
    """Execute a statement: the rows that it gives. Raises DBAPIError, also for those before it."""
    trip = connection.info.get(_TRIP)
    if trip is None:
        return [tuple(row) for row in connection.exec_driver_sql(text, _plain(values))]
    return trip.rows(text, values)


def _plain(values: Values) -> tuple | dict:
    return dict(values) if isinstance(values, Mapping) else tuple(values)


def land(connection: sa.Connection) -> None:
    """Wait for what is under way. Raises DBAPIError."""
    trip = connection.info.get(_TRIP)
    if trip is not None:
        trip.land()
