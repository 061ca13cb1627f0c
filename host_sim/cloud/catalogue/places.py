"""Homes and their rooms. Who deletes one takes nothing else away: its devices go on, without a place."""

import uuid
import zoneinfo
from functools import cache
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue.pages import Page, rows_of
from host_sim.cloud.catalogue.tenants import one_more
from host_sim.cloud.storage.locks import hold_links
from host_sim.cloud.storage.tables import devices, homes, links, rooms

HOMES = 100  # of a tenant
ROOMS = 200  # of a home


@cache
def timezones() -> frozenset[str]:
    """The names of the IANA time zone database, as far as this machine has it."""
    return frozenset(zoneinfo.available_timezones() | {"UTC"})


def add_home(connection: sa.Connection, tenant_id: str, name: str, timezone: str, now: int) -> str:
    """The id of a new home. Raises TooMany."""
    one_more(connection, tenant_id, homes, HOMES, "homes")
    home_id = str(uuid.uuid4())
    connection.execute(
        homes.insert().values(id=home_id, tenant_id=tenant_id, name=name, timezone=timezone, created_at=now)
    )
    return home_id


def every_home(connection: sa.Connection, tenant_id: str, page: Page | None = None) -> list[Any]:
    """The rows of all homes, or of a page and one more, with the number of their `rooms` and `devices`, the
    oldest first.
    """
    query = sa.select(
        homes,
        _how_many(rooms, rooms.c.tenant_id == tenant_id).label("rooms"),
        _how_many(devices, devices.c.tenant_id == tenant_id, devices.c.revoked_at.is_(None)).label("devices"),
    ).where(homes.c.tenant_id == tenant_id)
    return rows_of(connection, query, homes.c.created_at, homes.c.id, page)


def _how_many(table: sa.Table, *which: Any) -> sa.ScalarSelect:
    query = sa.select(sa.func.count()).select_from(table).where(table.c.home_id == homes.c.id, *which)
    return query.scalar_subquery()


def has_home(connection: sa.Connection, tenant_id: str, home_id: str) -> bool:
    """Whether the tenant has this home."""
    which = homes.c.id == home_id, homes.c.tenant_id == tenant_id
    return connection.execute(sa.select(homes.c.id).where(*which)).first() is not None


def change_home(connection: sa.Connection, tenant_id: str, home_id: str, values: dict[str, str]) -> bool:
    """Give a home another `name` or `timezone`; whether there is such a home."""
    if not values:
        return has_home(connection, tenant_id, home_id)
    changed = connection.execute(
        homes.update().where(homes.c.id == home_id, homes.c.tenant_id == tenant_id).values(values)
    )
    return changed.rowcount > 0


def delete_home(connection: sa.Connection, tenant_id: str, home_id: str) -> bool:
    """End a home with its rooms; its devices are in no home then. Whether there was such a home."""
    which = homes.c.id == home_id, homes.c.tenant_id == tenant_id
    theirs = rooms.c.home_id == home_id, rooms.c.tenant_id == tenant_id
    for table, mine in ((homes, which), (rooms, theirs)):
        connection.execute(sa.select(table.c.id).where(*mine).order_by(table.c.id).with_for_update()).all()
    _hold(connection, tenant_id, devices.c.home_id == home_id)
    return connection.execute(homes.delete().where(*which)).rowcount > 0


def _hold(connection: sa.Connection, tenant_id: str, where: sa.ColumnElement[bool]) -> None:
    # Their rows are going to be changed by the references that they have.
    there = sa.select(devices.c.id).where(devices.c.tenant_id == tenant_id, where)
    hold_links(connection, tenant_id, links.c.device_id.in_(there))


def add_room(connection: sa.Connection, tenant_id: str, home_id: str, name: str, now: int) -> str:
    """The id of a new room of the tenant's home. Raises LookupError, TooMany."""
    one_more(connection, tenant_id, rooms, ROOMS, "rooms", rooms.c.home_id == home_id, of="home")
    if not has_home(connection, tenant_id, home_id):
        raise LookupError("home")
    room_id = str(uuid.uuid4())
    connection.execute(
        rooms.insert().values(id=room_id, tenant_id=tenant_id, home_id=home_id, name=name, created_at=now)
    )
    return room_id


def rooms_of(connection: sa.Connection, tenant_id: str, home_id: str, page: Page | None = None) -> list[Any]:
    """The rows of a home's rooms, or of a page and one more, the oldest first."""
    query = sa.select(rooms).where(rooms.c.home_id == home_id, rooms.c.tenant_id == tenant_id)
    return rows_of(connection, query, rooms.c.created_at, rooms.c.id, page)


def delete_room(connection: sa.Connection, tenant_id: str, home_id: str, room_id: str) -> bool:
    """End a room; its devices stay in the home. Whether there was such a room."""
    which = rooms.c.id == room_id, rooms.c.home_id == home_id, rooms.c.tenant_id == tenant_id
    if connection.execute(sa.select(rooms.c.id).where(*which).with_for_update()).first() is None:
        return False
    _hold(connection, tenant_id, devices.c.room_id == room_id)
    return connection.execute(rooms.delete().where(*which)).rowcount > 0


def devices_in(connection: sa.Connection, tenant_id: str, room_id: str) -> list[Any]:
    """The `id` of each device of a room that is not revoked, the oldest first.

    Raises LookupError where the tenant has no such room.
    """
    known = sa.select(rooms.c.id).where(rooms.c.id == room_id, rooms.c.tenant_id == tenant_id)
    if connection.execute(known).first() is None:
        raise LookupError("room")
    return list(
        connection.execute(
            sa.select(devices.c.id)
            .where(
                devices.c.room_id == room_id, devices.c.tenant_id == tenant_id, devices.c.revoked_at.is_(None)
            )
            .order_by(devices.c.created_at, devices.c.id)
        )
    )
