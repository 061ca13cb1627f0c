"""What a user of a tenant makes, and ends by revoking it: API keys and app clients."""

from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue.pages import Page, rows_of
from host_sim.cloud.storage.tables import directory


def every(
    connection: sa.Connection, table: sa.Table, tenant_id: str, user_id: str | None, page: Page | None = None
) -> list[Any]:
    """The rows of a user's, or of all of the tenant's (user_id None), the oldest first; or of a page of them
    and one more.
    """
    query = sa.select(table).where(table.c.tenant_id == tenant_id)
    if user_id is not None:
        query = query.where(table.c.user_id == user_id)
    return rows_of(connection, query, table.c.created_at, table.c.id, page)


def revoke(
    connection: sa.Connection, table: sa.Table, kind: str, tenant_id: str, row_id: str, now: int
) -> bool:
    """End one; whether it was still good. The row stays, for histories that name it, and the directory
    forgets it, where it is of this `kind`.
    """
    changed = connection.execute(
        table.update()
        .where(table.c.id == row_id, table.c.tenant_id == tenant_id, table.c.revoked_at.is_(None))
        .values(revoked_at=now)
    ).rowcount
    connection.execute(
        directory.delete().where(
            directory.c.kind == kind, directory.c.ref == row_id, directory.c.tenant_id == tenant_id
        )
    )
    return bool(changed)
