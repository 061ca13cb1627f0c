"""Many rows at once, on either database.

Must never be given a name that is no column's: names become text of a statement.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from host_sim.cloud.storage import bulk, each, trips


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping], keys: Sequence[str]) -> None:
    """Insert rows, or give those that exist the new values."""
    if not rows:
        return
    names = tuple(rows[0])
    if connection.dialect.name == "sqlite":
        connection.execute(_upsert(table, names, tuple(keys)), list(rows))
    else:
        trips.send(connection, bulk.upsert(table, names, tuple(keys)), (bulk.rows_text(rows),))


# Statements are made once: to make one costs more than to run it.
@cache
def _upsert(table: sa.Table, names: tuple[str, ...], keys: tuple[str, ...]) -> Any:
    insert = sqlite.insert(table)
    rest = {name: insert.excluded[name] for name in names if name not in keys}
    return insert.on_conflict_do_update(index_elements=list(keys), set_=rest)


def change(
    connection: sa.Connection, table: sa.Table, key: str, tenant_id: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    """New values for the rows of a tenant whose `key` is a row's `of`."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        each.update(connection, table, key, tenant_id, rows)
    else:
        names = tuple(name for name in rows[0] if name != bulk.KEY)
        trips.send(connection, bulk.update(table, key, names), bulk.changes(tenant_id, names, rows))
