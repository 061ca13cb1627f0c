"""Manifests: what each device says that it can do. A device said it, so nothing in one has a shape.

A row whose hash is NONE is of a device that has named another manifest, which has not come yet (HX3-MAN-04).
"""

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue.devices import touch
from host_sim.cloud.links.records import NONE
from host_sim.cloud.storage.tables import manifests

_HASH = re.compile("[0-9a-f]{64}")


class OtherVersion(Exception):
    """The manifest has another `version` than somebody expected who wanted to change it."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


def of(connection: sa.Connection, tenant_id: str, device_id: str) -> Any:
    """The row of a device's manifest, or None."""
    row = _row(connection, tenant_id, device_id)
    return row if row is not None and row.hash != NONE else None


def forget(connection: sa.Connection, tenant_id: str, device_id: str, named: Any) -> None:
    """The device has named another manifest: the one that is kept, if it is not that, is none any more. Its
    version goes on. `named`: its hash, or whatever a device says in its place.
    """
    if not isinstance(named, str) or not _HASH.fullmatch(named):
        named = None
    connection.execute(
        manifests.update()
        .where(
            manifests.c.device_id == device_id,
            manifests.c.tenant_id == tenant_id,
            manifests.c.hash.is_distinct_from(named),
        )
        .values(hash=NONE, body={})
    )


def _row(connection: sa.Connection, tenant_id: str, device_id: str) -> Any:
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


def put(
    connection: sa.Connection,
    tenant_id: str,
    device_id: str,
    body: Mapping[str, Any],
    hash: str,
    now: int,
    first: bool,
    expected: int | None = None,
) -> Any:
    """Keep a manifest that came over the API; the row. `first`: only where there is none, else only where
    there is one; None where that is not so. Raises OtherVersion where it has not the `expected` one.

    The device's own wins: its next hello names another hash, so the cloud asks for it and it replaces this.
    """
    # First, since it waits for whoever does the same, and for a turn that takes the device's own.
    touch(connection, tenant_id, device_id)
    known = _row(connection, tenant_id, device_id)
    if (known is None or known.hash == NONE) != first:
        return None
    if expected is not None and known.version != expected:
        raise OtherVersion(known.version)
    values = {"hash": hash, "source": "api", "body": dict(body), "updated_at": now}
    if known is None:
        connection.execute(
            manifests.insert().values(device_id=device_id, tenant_id=tenant_id, version=1, **values)
        )
    else:
        connection.execute(
            manifests.update()
            .where(manifests.c.device_id == device_id, manifests.c.tenant_id == tenant_id)
            .values(version=known.version + 1, **values)
        )
    return of(connection, tenant_id, device_id)
