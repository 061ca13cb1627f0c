"""What the gate has to know of a device that is to be commanded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue.manifests import NONE
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.remembered import HOLD_S
from host_sim.cloud.storage.tables import devices, manifests

ALONE_S = 60.0  # seconds that a device is remembered where nobody else changes it


@dataclass(frozen=True, slots=True)
class Target:
    """A device of the tenant's. `manifest`: its body, None where it has told none. `awaited`: it has named
    another one than it told last, which has not come yet.
    """

    revoked: bool
    manifest: Mapping[str, Any] | None
    awaited: bool


def known(database: Database, tenant_id: str, device_id: str) -> Target | None:
    """What is remembered of a device, without asking the database."""
    return database.remembered.find(("target", tenant_id, device_id))


def read(database: Database, tenant_id: str, device_ids: Sequence[str]) -> dict[str, Target]:
    """Those of these devices that are the tenant's; up to a second old where another worker changed them."""
    found = {name: target for name in device_ids if (target := known(database, tenant_id, name)) is not None}
    missing = [name for name in device_ids if name not in found]
    if missing:
        mark = database.remembered.mark()
        # On SQLite there is one worker, and the tools that share its file change no device.
        hold_s = ALONE_S if database.is_sqlite else HOLD_S
        with database.reading(tenant_id) as connection:
            rows = connection.execute(
                sa.select(devices.c.id, devices.c.revoked_at, manifests.c.body, manifests.c.hash)
                .outerjoin(manifests, manifests.c.device_id == devices.c.id)
                .where(devices.c.tenant_id == tenant_id, devices.c.id.in_(missing))
            ).all()
        for row in rows:
            target = Target(row.revoked_at is not None, row.body, row.hash == NONE)
            found[row.id] = target
            database.remembered.keep(("target", tenant_id, row.id), target, mark, hold_s)
    return found
