"""Statements for any number of rows at once on PostgreSQL, which gets them as JSON.

    trips.send(connection, bulk.insert(commands, names), (bulk.rows_text(rows),))

Sent row by row, a row costs the driver and the server as much as a statement. Must never be given a name that
is no column's: names become text of a statement.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.storage.database import json_text

KEY = "of"  # in a row that updates: which one it is


def rows_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as the value of a statement made here; a member without a column is left out."""
    return json_text(rows)


@cache
def insert(table: sa.Table, names: tuple[str, ...]) -> str:
    """New rows of these columns."""
    return f"INSERT INTO {table.name} ({_list(names)}) SELECT {_list(names)} FROM {_given(table, names)}"


@cache
def upsert(table: sa.Table, names: tuple[str, ...], keys: tuple[str, ...]) -> str:
    """New rows, or new values for those that have these keys already."""
    rest = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    return f"{insert(table, names)} ON CONFLICT ({_list(keys)}) DO UPDATE SET {rest}"


@cache
def update(table: sa.Table, key: str, names: tuple[str, ...]) -> str:
    """New values of these columns for rows of a tenant, by `key`; with what `changes` gives.

    Not by a join with the rows: PostgreSQL would read all of a small table, and go on so when it has grown.
    """
    given = f"%(rows)s::jsonb->{table.name}.{key}"
    new = []
    for number, name in enumerate(names):
        kind = _type(table.c[name])
        value = f"NULLIF({given}->{number}, 'null')" if kind == "jsonb" else f"({given}->>{number})::{kind}"
        new.append(f"{name} = {value}")
    return f"UPDATE {table.name} SET {', '.join(new)} WHERE {key} = ANY(%(keys)s) AND tenant_id = %(tenant)s"


def changes(tenant_id: str, names: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The values for `update`: no two rows may have the same KEY."""
    by_key = {row[KEY]: [row[name] for name in names] for row in rows}
    return {"rows": json_text(by_key), "keys": list(by_key), "tenant": tenant_id}


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def _given(table: sa.Table, names: Sequence[str]) -> str:
    columns = [f"{name} {_type(table.c[name])}" for name in names]
    return f"json_to_recordset(%s::json) AS one ({_list(columns)})"


def _type(column: sa.Column) -> str:
    if isinstance(column.type, sa.String):
        return "text"
    if isinstance(column.type, sa.JSON):
        return "jsonb"
    return {sa.BigInteger: "bigint", sa.Integer: "integer", sa.Boolean: "boolean"}[type(column.type)]
