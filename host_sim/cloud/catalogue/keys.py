"""A device's keys: active, next, previous, and those that have retired. Renewing one locks nobody out.

A new secret waits in `next`, committed before it is shown; the device proves that it has it by using it, and
from then on it signs. Until then everything goes on under the active one. Must never put another secret in
the place of one that waits: the device may have that one already, and nothing else.
"""

import os
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue.devices import SECRET, Issued, touch
from host_sim.cloud.links import keyring
from host_sim.cloud.links.keyring import purpose
from host_sim.cloud.links.records import DeviceKey
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage.tables import device_keys, devices


class Pending(Exception):
    """A secret waits to be used: no other is made before (HX3-KEY-15)."""


class Revoked(Exception):
    """The device was ended: it gets no secret any more."""


def rotate(
    connection: sa.Connection, vault: Vault, tenant_id: str, device_id: str, now: int, again: bool = False
) -> Issued:
    """A new secret in `next`, to be shown after the commit. `again`: the one that waits, where one does.

    Raises Pending, Revoked.
    """
    # First, since it waits for whoever rotates, promotes or revokes at the same time.
    touch(connection, tenant_id, device_id)
    query = sa.select(devices.c.revoked_at).where(devices.c.id == device_id, devices.c.tenant_id == tenant_id)
    if connection.execute(query).scalar() is not None:
        raise Revoked
    rows = history(connection, tenant_id, device_id)
    waiting = next((row for row in rows if row.slot == "next"), None)
    if waiting is not None:
        if not again:
            raise Pending
        secret = vault.open(waiting.secret_sealed, purpose(device_id, waiting.key_version))
        return Issued(device_id, tenant_id, waiting.key_version, secret)
    version, secret = max(row.key_version for row in rows) + 1, os.urandom(SECRET)
    connection.execute(
        device_keys.insert().values(
            device_id=device_id,
            key_version=version,
            tenant_id=tenant_id,
            slot="next",
            secret_sealed=vault.seal(secret, purpose(device_id, version)),
            created_at=now,
        )
    )
    return Issued(device_id, tenant_id, version, secret)


def history(connection: sa.Connection, tenant_id: str, device_id: str) -> list[Any]:
    """The rows of a device's keys, the newest first."""
    return list(
        connection.execute(
            sa.select(device_keys)
            .where(device_keys.c.device_id == device_id, device_keys.c.tenant_id == tenant_id)
            .order_by(device_keys.c.key_version.desc())
        )
    )


def valid(
    connection: sa.Connection, vault: Vault, tenant_id: str, device_id: str, now: int
) -> list[DeviceKey]:
    """The keys that verify now, the one that signs first."""
    return keyring.open_keys(connection, vault, tenant_id, [device_id], now).get(device_id, [])
