"""Manifests: what each device says that it can do. A device said it, so nothing in one has a shape."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.storage.tables import manifests


def of(connection: sa.Connection, tenant_id: str, device_id: str) -> Any:
    """The row of a device's manifest, or None."""
    return connection.execute(
        sa.select(manifests).where(manifests.c.device_id == device_id, manifests.c.tenant_id == tenant_id)
    ).first()


def capability(body: Mapping[str, Any], action: str) -> Mapping[str, Any] | None:
    """The entry of an action in a manifest's body, or None."""
    entries = body.get("capabilities")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("action") == action:
            return entry
    return None
