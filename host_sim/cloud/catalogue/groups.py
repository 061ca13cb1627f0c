"""Groups: devices of a tenant under one name, wherever they are. A device may be in several."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from host_sim.cloud.catalogue.pages import Page, rows_of
from host_sim.cloud.catalogue.tenants import Taken, TooMany, hold, one_more, slug_of
from host_sim.cloud.storage.tables import devices, group_devices, groups

GROUPS = 200  # of a tenant
MEMBERS = 1000  # devices of a group


def add(
    connection: sa.Connection,
    tenant_id: str,
    name: str,
    description: str,
    group_type: str,
    slug: str | None,
    device_ids: Sequence[str],
    now: int,
) -> tuple[str, str]:
    """(id, slug) of a new group with these devices. Raises Taken, TooMany, LookupError for a device."""
    one_more(connection, tenant_id, groups, GROUPS, "groups")
    group_id = str(uuid.uuid4())
    slug = slug or slug_of(name, f"group-{group_id[:8]}")
    same = sa.select(groups.c.id).where(groups.c.tenant_id == tenant_id, groups.c.slug == slug)
    if connection.execute(same).first() is not None:
        raise Taken(f"there is a group with the slug {slug}")
    connection.execute(
        groups.insert().values(
            id=group_id,
            tenant_id=tenant_id,
            slug=slug,
            name=name,
            description=description,
            group_type=group_type,
            created_at=now,
        )
    )
    join(connection, tenant_id, group_id, device_ids)
    return group_id, slug


def find(connection: sa.Connection, tenant_id: str, name: str) -> Any:
    """The row of the group with this id or slug, or None."""
    rows = connection.execute(
        sa.select(groups).where(
            groups.c.tenant_id == tenant_id, sa.or_(groups.c.id == name, groups.c.slug == name)
        )
    ).all()
    return next((row for row in rows if row.id == name), rows[0] if rows else None)


def every(connection: sa.Connection, tenant_id: str, page: Page | None = None) -> list[Any]:
    """The rows of all groups, or of a page and one more, the oldest first; those of one ms by their slug."""
    query = sa.select(groups).where(groups.c.tenant_id == tenant_id)
    return rows_of(connection, query, groups.c.created_at, groups.c.slug, page)


def members(connection: sa.Connection, tenant_id: str, group_ids: Sequence[str]) -> dict[str, list[str]]:
    """By group, the ids of its devices that are not revoked."""
    found: dict[str, list[str]] = {}
    for row in connection.execute(
        sa.select(group_devices.c.group_id, group_devices.c.device_id)
        .join(devices, devices.c.id == group_devices.c.device_id)
        .where(
            group_devices.c.tenant_id == tenant_id,
            group_devices.c.group_id.in_(group_ids),
            devices.c.revoked_at.is_(None),
        )
        .order_by(devices.c.created_at, devices.c.id)
    ):
        found.setdefault(row.group_id, []).append(row.device_id)
    return found


def devices_in(connection: sa.Connection, tenant_id: str, group_id: str) -> list[Any]:
    """The `id` of each device of a group that is not revoked, the oldest first."""
    return list(
        connection.execute(
            sa.select(devices.c.id)
            .join(group_devices, group_devices.c.device_id == devices.c.id)
            .where(
                group_devices.c.group_id == group_id,
                group_devices.c.tenant_id == tenant_id,
                devices.c.revoked_at.is_(None),
            )
            .order_by(devices.c.created_at, devices.c.id)
        )
    )


def join(connection: sa.Connection, tenant_id: str, group_id: str, device_ids: Iterable[str]) -> None:
    """Add devices; those that are in it stay. Raises LookupError for one that is not the tenant's or is
    revoked, TooMany.
    """
    wanted = sorted(set(device_ids))
    if not wanted:
        return
    hold(connection, tenant_id)
    known = set(
        connection.execute(
            sa.select(devices.c.id).where(
                devices.c.tenant_id == tenant_id, devices.c.id.in_(wanted), devices.c.revoked_at.is_(None)
            )
        ).scalars()
    )
    missing = [device_id for device_id in wanted if device_id not in known]
    if missing:
        raise LookupError("device")
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(group_devices)
    connection.execute(
        insert.on_conflict_do_nothing(),
        [{"group_id": group_id, "device_id": one, "tenant_id": tenant_id} for one in wanted],
    )
    count = sa.select(sa.func.count()).select_from(group_devices).where(group_devices.c.group_id == group_id)
    if connection.execute(count).scalar() > MEMBERS:
        raise TooMany(f"{MEMBERS} devices are the most that a group may have")


def leave(connection: sa.Connection, tenant_id: str, group_id: str, device_id: str) -> bool:
    """Take a device out; whether it was in."""
    found = connection.execute(
        group_devices.delete().where(
            group_devices.c.group_id == group_id,
            group_devices.c.device_id == device_id,
            group_devices.c.tenant_id == tenant_id,
        )
    )
    return found.rowcount > 0


def delete(connection: sa.Connection, tenant_id: str, group_id: str) -> None:
    """End a group; its devices go on."""
    connection.execute(groups.delete().where(groups.c.id == group_id, groups.c.tenant_id == tenant_id))
