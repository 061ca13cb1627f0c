"""Which actions there are, in which categories: the firmware's own, and what devices of the tenant declared.

A category is a kind of part (`light`, `relay`, `ir`). An action of the firmware belongs to its kind, another
one to what its name says before the first underscore, so `lock_open` is of the category `lock`.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue import built_in
from host_sim.cloud.catalogue.manifests import NONE
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.remembered import ALONE_S, HOLD_S
from host_sim.cloud.storage.tables import manifests
from hxtp.registry import MAX_ACTION, SAFETY

MANIFESTS = 500  # different ones of a tenant that are looked through


def category_of(action: str) -> str:
    """The category that an action belongs to."""
    for category, known in built_in.actions().items():
        if action in known:
            return category
    return action.partition("_")[0] or action


def every(connection: sa.Connection, tenant_id: str) -> list[dict[str, Any]]:
    """All actions, by id and name: entries of a manifest with `category` and `source` (firmware or device).

    What a device says of an action that the firmware has is not told here but in that device's manifest.
    """
    found: dict[str, dict[str, Any]] = {}
    for category, actions in built_in.actions().items():
        for action, entry in actions.items():
            found[action] = {**entry, "category": category, "source": "firmware"}
    for body in _told(connection, tenant_id):
        for entry in entries(body):
            action = entry["action"]
            if action not in found:
                found[action] = {**entry, "category": category_of(action), "source": "device"}
    return sorted(found.values(), key=lambda entry: (entry["id"], entry["action"]))


def categories(connection: sa.Connection, tenant_id: str) -> dict[str, list[str]]:
    """The actions of each category."""
    found: dict[str, list[str]] = {}
    for entry in every(connection, tenant_id):
        found.setdefault(entry["category"], []).append(entry["action"])
    return dict(sorted(found.items()))


def known_categories(database: Database, tenant_id: str) -> dict[str, list[str]]:
    """As `categories`, up to a second old where another worker changed what a device declares."""
    found = database.remembered.find(("categories", tenant_id))
    if found is None:
        mark = database.remembered.mark()
        with database.reading(tenant_id) as connection:
            found = categories(connection, tenant_id)
        hold_s = ALONE_S if database.is_sqlite else HOLD_S
        database.remembered.keep(("categories", tenant_id), found, mark, hold_s)
    return found


def _told(connection: sa.Connection, tenant_id: str) -> list[Mapping[str, Any]]:
    # Devices of one kind tell the same manifest, so one of each hash is enough.
    ones = (
        sa.select(sa.func.min(manifests.c.device_id))
        .where(manifests.c.tenant_id == tenant_id, manifests.c.hash != NONE)
        .group_by(manifests.c.hash)
        .order_by(sa.func.min(manifests.c.device_id))
        .limit(MANIFESTS)
    )
    query = (
        sa.select(manifests.c.body)
        .where(manifests.c.tenant_id == tenant_id, manifests.c.device_id.in_(ones))
        .order_by(manifests.c.device_id)
    )
    return list(connection.execute(query).scalars())


def entries(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The capabilities of a manifest in their published form. A device may have said anything (HX3-MAN-05):
    what has no name and no id is left out, what is missing or no such thing gets its default.
    """
    given = body.get("capabilities")
    found = []
    for one in given if isinstance(given, list) else ():
        if not isinstance(one, dict):
            continue
        action, number = one.get("action"), one.get("id")
        if not isinstance(action, str) or not 0 < len(action) <= MAX_ACTION:
            continue
        if type(number) is not int or not 0 < number < 65536:
            continue
        description, declared, safety = one.get("description"), one.get("paramSchema"), one.get("safetyClass")
        found.append(
            {
                "id": number,
                "action": action,
                "description": description if isinstance(description, str) else "",
                # The gate lets nothing through whose class it does not know.
                "safetyClass": safety if safety in SAFETY else "restricted" if safety else "normal",
                "paramSchema": declared if isinstance(declared, dict) else {"properties": {}},
                "supportsDryRun": one.get("supportsDryRun") is True,
            }
        )
    return found
