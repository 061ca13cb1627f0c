"""Pages of a list, the oldest first: so many rows, from behind a place on.

Must never skip or repeat a row because others come and go: a place says where a row lies, not how many lie
before it.
"""

import contextlib
import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

MOST_BYTES = 1 << 20  # of what devices and people wrote, as JSON, in one page
AT_ONCE = 64  # rows that are fetched together


@dataclass(frozen=True, slots=True)
class Page:
    """`limit` rows behind `after`: the time (ms) and name of the last row that is known; None: the first.

    `of`: what the list is of, for who asked for a page of it.
    """

    limit: int
    after: tuple[int, str] | None = None
    of: str = ""


def rows_of(connection: sa.Connection, query: Any, at: Any, name: Any, page: Page | None) -> list[Any]:
    """The rows of a page, and one more where it is not the last; all of them without a page.

    `at`, `name`: the columns that order them, which no two rows have in common.
    """
    if page is not None:
        if page.after is not None:
            query = query.where(beyond(at, name, page.after))
        query = query.limit(page.limit + 1)
    return list(connection.execute(query.order_by(at, name)))


def bounded(connection: sa.Connection, query: Any, limit: int, *columns: str) -> tuple[list[Any], bool]:
    """The first `limit` rows, fewer where what is in their `columns` is over MOST_BYTES of JSON, but one at
    least; and whether there are more. No more than that is ever in this process.
    """
    found: list[Any] = []
    size = 0
    streamed = query.limit(limit + 1).execution_options(yield_per=AT_ONCE)
    with contextlib.closing(connection.execute(streamed)) as rows:
        for row in rows:
            size += sum(len(json.dumps(getattr(row, name))) for name in columns)
            if len(found) == limit or (found and size > MOST_BYTES):
                return found, True
            found.append(row)
    return found, False


def lie_behind(query: Any, table: sa.Table, page: Page) -> Any:
    """The rows of a table from the page's place on, the oldest first."""
    if page.after is not None:
        query = query.where(beyond(table.c.created_at, table.c.id, page.after))
    return query.order_by(table.c.created_at, table.c.id)


def beyond(at: Any, name: Any, after: tuple[Any, ...], newest_first: bool = False) -> Any:
    """The rows that lie behind a place, in the order of these two columns."""
    known = sa.tuple_(sa.literal(after[0], at.type), sa.literal(after[1], name.type))
    return sa.tuple_(at, name) < known if newest_first else sa.tuple_(at, name) > known
