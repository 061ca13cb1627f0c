"""Statements for any number of rows at once on PostgreSQL, each of one value: the rows as JSON.

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
    """New values of these columns for the rows whose `key` is a row's KEY; a second value: their tenant."""
    new = ", ".join(f"{name} = one.{name}" for name in names)
    return (
        f"UPDATE {table.name} SET {new} FROM {_given(table, names, key)}"
        f" WHERE {table.name}.{key} = one.{KEY} AND {table.name}.tenant_id = %s"
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def _given(table: sa.Table, names: Sequence[str], key: str | None = None) -> str:
    columns = [f"{name} {_type(table.c[name])}" for name in names]
    if key is not None:
        columns.append(f"{KEY} {_type(table.c[key])}")
    return f"json_to_recordset(%s::json) AS one ({_list(columns)})"


def _type(column: sa.Column) -> str:
    if isinstance(column.type, sa.String):
        return "text"
    if isinstance(column.type, sa.JSON):
        return "jsonb"
    return {sa.BigInteger: "bigint", sa.Integer: "integer", sa.Boolean: "boolean"}[type(column.type)]
