"""Devices: making them, their places, their secrets, their end.

A secret is given out once, where it is made; in the database it is sealed.
"""

import os
import uuid
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.broker import logins
from host_sim.cloud.catalogue.pages import Page, bounded, rows_of
from host_sim.cloud.links import ledger
from host_sim.cloud.links.keyring import purpose
from host_sim.cloud.notices import Notice
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage.tables import (
    device_keys,
    devices,
    directory,
    homes,
    links,
    rooms,
    state_history,
    states,
)

SECRET = 32  # bytes
MISSED = 4  # heartbeats without which it is offline


@dataclass(frozen=True, slots=True)
class Issued:
    """A new device, or a new secret of one."""

    device_id: str
    tenant_id: str
    key_version: int
    secret: bytes = field(repr=False)


def register(
    connection: sa.Connection,
    vault: Vault,
    tenant_id: str,
    device_type: str,
    now: int,
    home_id: str | None = None,
    room_id: str | None = None,
) -> Issued:
    """Make a device. Ids are 32 hex digits: older devices hold no more. Raises LookupError for a home
    or room that is not the tenant's, or a room that is in another home.
    """
    home_id = _place(connection, tenant_id, home_id, room_id)
    device_id, secret = uuid.uuid4().hex, os.urandom(SECRET)
    connection.execute(
        devices.insert().values(
            id=device_id,
            tenant_id=tenant_id,
            device_type=device_type,
            home_id=home_id,
            room_id=room_id,
            firmware_version="0.0.0",
            created_at=now,
        )
    )
    connection.execute(
        device_keys.insert().values(
            device_id=device_id,
            key_version=1,
            tenant_id=tenant_id,
            slot="active",
            secret_sealed=vault.seal(secret, purpose(device_id, 1)),
            created_at=now,
        )
    )
    link = {"device_id": device_id, "tenant_id": tenant_id, "version": 1, "record": {}, "numbers": {}}
    connection.execute(links.insert().values(link))
    connection.execute(
        directory.insert().values(kind="device", key=device_id, tenant_id=tenant_id, ref=device_id)
    )
    logins.grant(connection, tenant_id, device_id, 1, now, told=False)
    return Issued(device_id, tenant_id, 1, secret)


def online(row: Any, now: int, heartbeat_s: int) -> bool:
    """Whether a device of `find` or `every` gave a sign of life within four heartbeats."""
    if row.revoked_at is not None or row.last_seen is None:
        return False
    # A word of the future was heard by a clock that was ahead.
    return abs(now - row.last_seen) < MISSED * heartbeat_s * 1000


def away(row: Any) -> bool:
    """Whether the broker said that it lost a device of `find` or `every`, which has said nothing since."""
    return row.revoked_at is None and bool((row.record or {}).get("away"))


def change(connection: sa.Connection, tenant_id: str, device_id: str, values: dict[str, Any]) -> None:
    """Give a device another name, home or room (`name`, `home_id`, `room_id`; None: none). Raises LookupError
    as `register` does. A room is in its home; in another home a device is in no room.
    """
    changed = dict(values)
    if "home_id" in changed or "room_id" in changed:
        room_id = changed.get("room_id")
        if "home_id" in changed or room_id is not None:
            changed["home_id"] = _place(connection, tenant_id, changed.get("home_id"), room_id)
        changed["room_id"] = room_id
    if changed:
        connection.execute(
            devices.update()
            .where(devices.c.id == device_id, devices.c.tenant_id == tenant_id)
            .values(changed)
        )


def state_of(connection: sa.Connection, tenant_id: str, device_id: str) -> Any:
    """The row of the state that a device told last, or None."""
    return connection.execute(
        sa.select(states).where(states.c.device_id == device_id, states.c.tenant_id == tenant_id)
    ).first()


def states_of(
    connection: sa.Connection, tenant_id: str, device_id: str, limit: int, before: int | None = None
) -> tuple[list[Any], bool]:
    """Rows of the states that a device told, the newest first, and whether there are more (`bounded`).
    `before`: of lower versions than this.
    """
    query = sa.select(state_history).where(
        state_history.c.device_id == device_id, state_history.c.tenant_id == tenant_id
    )
    if before is not None:
        query = query.where(state_history.c.version < before)
    return bounded(connection, query.order_by(state_history.c.version.desc()), limit, "body")


def _place(connection: sa.Connection, tenant_id: str, home_id: str | None, room_id: str | None) -> str | None:
    if room_id is not None:
        found = connection.execute(
            sa.select(rooms.c.home_id).where(rooms.c.id == room_id, rooms.c.tenant_id == tenant_id)
        ).scalar()
        if found is None or home_id not in (None, found):
            raise LookupError("room_id")
        home_id = found
    # In the order in which a home is deleted, so that neither waits for the other for ever.
    for table, name, wanted in ((homes, "home_id", home_id), (rooms, "room_id", room_id)):
        known = sa.select(table.c.id).where(table.c.id == wanted, table.c.tenant_id == tenant_id)
        there = known.with_for_update(read=True, key_share=True)
        if wanted is not None and connection.execute(there).scalar() is None:
            raise LookupError(name)
    return home_id


def tenant_of(connection: sa.Connection, device_id: str) -> str | None:
    """Whose device this is, asked before a tenant is known."""
    return connection.execute(
        sa.select(directory.c.tenant_id).where(directory.c.kind == "device", directory.c.key == device_id)
    ).scalar()


_LISTED = sa.select(devices, links.c.last_seen, links.c.record).join(links, links.c.device_id == devices.c.id)


def find(connection: sa.Connection, tenant_id: str, device_id: str) -> Any:
    """The row of a device with `last_seen` and the `record` of its link, or None."""
    return connection.execute(
        _LISTED.where(devices.c.id == device_id, devices.c.tenant_id == tenant_id)
    ).first()


def every(connection: sa.Connection, tenant_id: str, page: Page | None = None) -> list[Any]:
    """The rows of all devices, or of a page and one more, the oldest first."""
    query = _LISTED.where(devices.c.tenant_id == tenant_id)
    return rows_of(connection, query, devices.c.created_at, devices.c.id, page)


def revoke(connection: sa.Connection, tenant_id: str, device_id: str, now: int) -> list[Notice]:
    """From now on nothing of this device counts and nothing is sent to it, and what waits for it has ended:
    what `Exchange.tell` has to be given after the commit.

    Its secrets are erased; its history stays.
    """
    # First, since it waits for a turn that holds the device, and for whoever gives it another secret.
    touch(connection, tenant_id, device_id)
    connection.execute(
        devices.update()
        .where(devices.c.id == device_id, devices.c.tenant_id == tenant_id, devices.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    connection.execute(
        device_keys.update()
        .where(
            device_keys.c.device_id == device_id,
            device_keys.c.tenant_id == tenant_id,
            device_keys.c.slot != "retired",
        )
        .values(slot="retired", secret_sealed=None, expires_at=now)
    )
    logins.renew(connection, device_id, now)
    ended = ledger.end_all(connection, tenant_id, device_id, now)
    return [Notice("command", tenant_id, device_id, now, "", body) for body in ended]


def touch(connection: sa.Connection, tenant_id: str, device_id: str) -> None:
    """Let every worker read this device's link anew."""
    connection.execute(
        links.update()
        .where(links.c.device_id == device_id, links.c.tenant_id == tenant_id)
        .values(version=links.c.version + 1)
    )
