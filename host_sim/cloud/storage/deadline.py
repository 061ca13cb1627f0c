"""How long the database may work for somebody: an end for reads whose rows nobody can count beforehand.

Must never leave a connection of the pool with a deadline that is another's.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

_STEPS = 1000  # of SQLite's machine between two looks at the clock: well below a millisecond


class TooLong(Exception):
    """The database had not done it by then, and has given it up."""


@contextlib.contextmanager
def within(connection: sa.Connection, seconds: float) -> Iterator[None]:
    """What is asked in this block ends after so long. Raises TooLong, and then the transaction is over too.

    On PostgreSQL it holds for each statement, and until the transaction ends.
    """
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        end = time.monotonic() + seconds
        driver.set_progress_handler(lambda: time.monotonic() >= end, _STEPS)
    else:
        # 0 would be for ever.
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, int(1000 * seconds))}")
    try:
        yield
    except OperationalError as error:
        if _ended(error.orig):
            raise TooLong from None
        raise
    finally:
        if isinstance(driver, sqlite3.Connection):
            driver.set_progress_handler(None, 0)


def _ended(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
    return isinstance(error, psycopg.errors.QueryCanceled)
