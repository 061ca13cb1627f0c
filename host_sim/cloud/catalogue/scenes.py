"""Scenes: commands to several devices under one name."""

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from host_sim.cloud.catalogue.pages import Page, bounded, lie_behind
from host_sim.cloud.catalogue.tenants import Taken, one_more
from host_sim.cloud.storage.tables import devices, scenes

MOST = 500  # of a tenant


def add(connection: sa.Connection, tenant_id: str, name: str, steps: list[dict[str, Any]], now: int) -> str:
    """Its id. Raises TooMany, Taken; LookupError where a step names no device of the tenant's."""
    _check(connection, tenant_id, steps)
    one_more(connection, tenant_id, scenes, MOST, "scenes")
    scene_id = str(uuid.uuid4())
    values = {"id": scene_id, "tenant_id": tenant_id, "name": name, "steps": steps, "created_at": now}
    _write(connection, scenes.insert().values(**values), name)
    return scene_id


def change(
    connection: sa.Connection, tenant_id: str, scene_id: str, name: str, steps: list[dict[str, Any]]
) -> bool:
    """Whether there was such a scene. Raises as `add`."""
    _check(connection, tenant_id, steps)
    which = scenes.c.id == scene_id, scenes.c.tenant_id == tenant_id
    return _write(connection, scenes.update().where(*which).values(name=name, steps=steps), name)


def _write(connection: sa.Connection, statement: Any, name: str) -> bool:
    try:
        with connection.begin_nested():
            return bool(connection.execute(statement).rowcount)
    except IntegrityError:
        raise Taken(f"there is a scene {name!r} already") from None


def _check(connection: sa.Connection, tenant_id: str, steps: list[dict[str, Any]]) -> None:
    wanted = {step["device_id"] for step in steps}
    known = connection.execute(
        sa.select(devices.c.id).where(devices.c.tenant_id == tenant_id, devices.c.id.in_(wanted))
    ).scalars()
    if wanted - set(known):
        raise LookupError("device_id")


def find(connection: sa.Connection, tenant_id: str, name: str) -> Any:
    """The row of the scene with this id, else with this name; None without either."""
    rows = connection.execute(
        sa.select(scenes).where(
            scenes.c.tenant_id == tenant_id, sa.or_(scenes.c.id == name, scenes.c.name == name)
        )
    ).all()
    return next((row for row in rows if row.id == name), rows[0] if rows else None)


def every(connection: sa.Connection, tenant_id: str, page: Page) -> tuple[list[Any], bool]:
    """The rows of a page, the oldest first, and whether there are more (`bounded`)."""
    query = sa.select(scenes).where(scenes.c.tenant_id == tenant_id)
    return bounded(connection, lie_behind(query, scenes, page), page.limit, "steps")


def delete(connection: sa.Connection, tenant_id: str, scene_id: str) -> bool:
    """Whether there was such a scene."""
    which = scenes.c.id == scene_id, scenes.c.tenant_id == tenant_id
    return bool(connection.execute(scenes.delete().where(*which)).rowcount)
