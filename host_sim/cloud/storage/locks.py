"""In which order rows are locked, so that no two transactions wait for each other for ever (PostgreSQL).

    the tenant's row (catalogue.tenants.hold) → a home, its rooms → links, by device id → everything else

A turn of the exchange holds the links of many devices while it writes what belongs to them. So whoever
changes rows of several devices, of whatever table, calls `hold_links` before; who changes those of one device
locks its link first, if at all. What is only deleted because it is over waits for nobody: `forget`. On SQLite
who writes has locked everything. Must never lock a link while it holds a row that hangs on one.
"""

from typing import Any

import sqlalchemy as sa

from host_sim.cloud.storage.tables import links


def hold_links(connection: sa.Connection, tenant_id: str, *which: sa.ColumnElement[bool]) -> None:
    """Lock the links of these devices of a tenant, one after the other in the order of their ids; without
    `which`: of all of them.
    """
    if connection.dialect.name == "sqlite":
        return
    theirs = sa.select(links.c.device_id).where(links.c.tenant_id == tenant_id, *which)
    connection.execute(theirs.order_by(links.c.device_id).with_for_update()).all()


def forget(connection: sa.Connection, table: sa.Table, *which: Any, most: int | None = None) -> int:
    """Delete these rows, up to `most`, but none that somebody else holds: whoever comes next takes those.
    How many went.
    """
    keys = list(table.primary_key.columns)
    some = sa.select(*keys).where(*which).limit(most).with_for_update(skip_locked=True)
    over = keys[0].in_(some) if len(keys) == 1 else sa.tuple_(*keys).in_(some)
    return connection.execute(table.delete().where(over)).rowcount
