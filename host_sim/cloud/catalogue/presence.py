"""How many devices are there, in all tenants together. Gives numbers, never which or whose."""

import time

import sqlalchemy as sa

from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.tables import links, tenants


def heard_since(database: Database, since: int) -> int:
    """Devices that were heard after `since`, in ms since 1970, and not by a clock that was ahead for long."""
    now = time.time_ns() // 1000000
    heard = links.c.last_seen > since, links.c.last_seen < 2 * now - since
    count = sa.select(sa.func.count()).select_from(links).where(*heard)
    with database.reading() as connection:
        if database.is_sqlite:
            return connection.execute(count).scalar_one()
        # Row-level security lets nobody see two tenants at once, and that is not loosened for a number.
        total = 0
        for tenant_id in connection.execute(sa.select(tenants.c.id)).scalars().all():
            database.see(connection, tenant_id)
            total += connection.execute(count.where(links.c.tenant_id == tenant_id)).scalar_one()
        return total
