"""Deletes a tenant with everything of it, or somebody who belongs to none, for good.

First, in one transaction, nothing of the tenant is let in any more; then its rows go, a few at a time, and it
goes last: whoever is stopped on the way says it again. Must never leave a device that a broker lets in: what
the broker was told stays to be taken back, and the sweeper deletes that row when it is.
"""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.broker import logins
from host_sim.cloud.catalogue.tenants import hold, user_id_of
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.locks import forget, hold_links
from host_sim.cloud.storage.tables import (
    agenda,
    api_keys,
    broker_logins,
    clients,
    commands,
    device_keys,
    devices,
    directory,
    links,
    observations,
    releases,
    state_history,
    telemetry,
    tenants,
    users,
)

AT_ONCE = 100  # devices
ROWS = 5000  # of a transaction


def sizes(database: Database, tenant_id: str) -> tuple[int, int]:
    """How many people a tenant has, and how many devices, revoked ones too."""
    with database.reading(tenant_id) as connection:
        count = [
            sa.select(sa.func.count()).select_from(one).where(_of(one, tenant_id)) for one in (users, devices)
        ]
        return connection.execute(count[0]).scalar_one(), connection.execute(count[1]).scalar_one()


def forget_tenant(database: Database, tenant_id: str, now: int, drop: Callable[[str], None]) -> None:
    """Delete a tenant. `drop(release_id)` deletes the image of a release that is a file of the cloud."""
    with database.writing(tenant_id) as connection:
        _shut(connection, tenant_id, now)
    last = ""
    while device_ids := _devices(database, tenant_id, last):
        for table in (telemetry, commands, state_history, observations):
            _clear(database, tenant_id, table, device_ids)
        last = device_ids[-1]
    # Before the tenant goes: what fails here can be done again.
    with database.reading(tenant_id) as connection:
        images = _images(connection, tenant_id)
    for release_id in images:
        drop(release_id)
    with database.writing(tenant_id) as connection:
        if not database.is_sqlite:
            # What is left goes by its references, for which PostgreSQL may read whole tables.
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        hold_links(connection, tenant_id)
        # Who is adding something now ends before this, and nobody adds anything from here on.
        connection.execute(sa.select(tenants.c.id).where(tenants.c.id == tenant_id).with_for_update())
        images = _images(connection, tenant_id)
        # Also of a device that somebody registered meanwhile.
        logins.renew_tenant(connection, tenant_id, now)
        untold = broker_logins.c.written == 0, broker_logins.c.held_until == 0
        connection.execute(broker_logins.delete().where(_of(broker_logins, tenant_id), *untold))
        for table in (agenda, directory):
            connection.execute(table.delete().where(_of(table, tenant_id)))
        connection.execute(tenants.delete().where(tenants.c.id == tenant_id))
    for release_id in images:
        drop(release_id)


def forget_user(database: Database, email: str) -> str | None:
    """Delete a user without a tenant. Else what is in the way, in words."""
    with database.reading() as connection:
        user_id = user_id_of(connection, email)
    if user_id is None:
        return f"there is no user {email}"
    with database.writing(user_id=user_id) as connection:
        alone = users.c.id == user_id, users.c.tenant_id.is_(None)
        if not connection.execute(users.delete().where(*alone)).rowcount:
            return f"{email} belongs to a tenant: let an owner remove them there first"
        mine = directory.c.kind == "user", directory.c.ref == user_id
        connection.execute(directory.delete().where(*mine))
    return None


def _images(connection: sa.Connection, tenant_id: str) -> list[str]:
    stored = sa.select(releases.c.id).where(_of(releases, tenant_id), releases.c.stored)
    return list(connection.execute(stored).scalars())


def _of(table: sa.Table, tenant_id: str) -> Any:
    return table.c.tenant_id == tenant_id


def _shut(connection: sa.Connection, tenant_id: str, now: int) -> None:
    """Nobody and nothing of the tenant is let in, and every worker reads its links anew."""
    hold(connection, tenant_id)
    hold_links(connection, tenant_id)
    for table, which, values in (
        (links, sa.true(), {"version": links.c.version + 1}),
        (devices, devices.c.revoked_at.is_(None), {"revoked_at": now}),
        (
            device_keys,
            device_keys.c.slot != "retired",
            {"slot": "retired", "secret_sealed": None, "expires_at": now},
        ),
    ):
        connection.execute(table.update().where(_of(table, tenant_id), which).values(values))
    logins.renew_tenant(connection, tenant_id, now)
    for table in (api_keys, clients, users, directory):
        connection.execute(table.delete().where(_of(table, tenant_id)))


def _devices(database: Database, tenant_id: str, last: str) -> Sequence[str]:
    query = sa.select(devices.c.id).where(_of(devices, tenant_id), devices.c.id > last)
    with database.reading(tenant_id) as connection:
        return connection.execute(query.order_by(devices.c.id).limit(AT_ONCE)).scalars().all()


def _clear(database: Database, tenant_id: str, table: sa.Table, device_ids: Sequence[str]) -> None:
    """Most of a table's rows of these devices."""
    while True:
        with database.writing(tenant_id, quiet=True) as connection:
            mine = _of(table, tenant_id), table.c.device_id.in_(device_ids)
            if forget(connection, table, *mine, most=ROWS) < ROWS:
                return
