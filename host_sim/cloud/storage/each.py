"""A statement for each of many rows on SQLite, as its driver takes it: SQLAlchemy spends on a row as much
again as SQLite does. On PostgreSQL the same is one statement for all: `storage.bulk`.

Must never be given a name that is no column's: names become text of a statement.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.storage.bulk import KEY
from host_sim.cloud.storage.database import json_text


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """New rows, all of the same columns."""
    text, values = _insert(table, tuple(rows[0]))
    connection.exec_driver_sql(text, [values(row) for row in rows])


def update(
    connection: sa.Connection, table: sa.Table, key: str, tenant_id: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    """New values for the rows of a tenant whose `key` is a row's KEY."""
    text, values = _update(table, key, tuple(name for name in rows[0] if name != KEY))
    connection.exec_driver_sql(text, [(*values(row), row[KEY], tenant_id) for row in rows])


Values = Callable[[Mapping[str, Any]], tuple]


# Made once: to make a statement costs more than to run it.
@cache
def _insert(table: sa.Table, names: tuple[str, ...]) -> tuple[str, Values]:
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})", _values(table, names)


@cache
def _update(table: sa.Table, key: str, names: tuple[str, ...]) -> tuple[str, Values]:
    new = ", ".join(f"{name} = ?" for name in names)
    return f"UPDATE {table.name} SET {new} WHERE {key} = ? AND tenant_id = ?", _values(table, names)


def _values(table: sa.Table, names: tuple[str, ...]) -> Values:
    """What a row gives for these columns, in this order."""
    as_json = [isinstance(table.c[name].type, sa.JSON) for name in names]
    pick = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)

    def values(row: Mapping[str, Any]) -> tuple:
        return tuple(
            json_text(value) if json and value is not None else value
            for json, value in zip(as_json, pick(row), strict=True)
        )

    return values
