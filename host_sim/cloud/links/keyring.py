"""The SQL of devices' secrets: which ones hold, and what becomes of them when the next one is proven.

Must never leave a secret in the database whose time is over, nor give one to another tenant.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from host_sim.cloud.links.records import DeviceKey
from host_sim.cloud.security.vault import Vault, VaultError
from host_sim.cloud.storage import trips
from host_sim.cloud.storage.tables import broker_logins, device_keys, links

PREVIOUS_MS = 24 * 3600 * 1000  # that a key still verifies after its successor's promotion (HX3-KEY-14)
_SLOTS = {"active": 0, "next": 1, "previous": 2}


def purpose(device_id: str, version: int) -> str:
    """What a device's secret is sealed for."""
    return f"device_keys/{device_id}/{version}"


def promote(connection: sa.Connection, tenant_id: str, device_ids: Iterable[str], now: int) -> None:
    """Let the keys in `next` sign from now on; what signed before verifies for 24 h (HX3-KEY-13, -14).

    Nothing happens to devices without such a key.
    """
    trips.land(connection)
    # First the links: this waits for whoever does the same, and lets every worker read the keys anew.
    connection.execute(
        links.update()
        .where(links.c.tenant_id == tenant_id, links.c.device_id.in_(sorted(device_ids)))
        .values(version=links.c.version + 1)
    )
    waiting = device_keys.c.tenant_id == tenant_id, device_keys.c.device_id.in_(sorted(device_ids))
    ready = list(
        connection.execute(
            sa.select(device_keys.c.device_id).where(*waiting, device_keys.c.slot == "next")
        ).scalars()
    )
    whose = device_keys.c.tenant_id == tenant_id, device_keys.c.device_id.in_(ready)
    for slot, values in (
        ("previous", {"slot": "retired", "secret_sealed": None}),
        ("active", {"slot": "previous", "expires_at": now + PREVIOUS_MS}),
        ("next", {"slot": "active", "promoted_at": now}),
    ):
        connection.execute(device_keys.update().where(*whose, device_keys.c.slot == slot).values(values))
    signing = sa.select(device_keys.c.key_version).where(
        device_keys.c.device_id == broker_logins.c.device_id, device_keys.c.slot == "active"
    )
    # With which the device connects from now on.
    connection.execute(
        broker_logins.update()
        .where(broker_logins.c.device_id.in_(ready), broker_logins.c.tenant_id == tenant_id)
        .values(key_version=signing.scalar_subquery(), wanted=broker_logins.c.wanted + 1, due_at=now)
    )


def erase_expired(connection: sa.Connection, tenant_id: str, device_ids: Iterable[str], now: int) -> None:
    """The secrets of keys whose time is over are gone for good (HX3-KEY-14)."""
    connection.execute(
        device_keys.update()
        .where(
            device_keys.c.tenant_id == tenant_id,
            device_keys.c.device_id.in_(list(device_ids)),
            device_keys.c.slot == "previous",
            device_keys.c.expires_at <= now,
        )
        .values(slot="retired", secret_sealed=None)
    )


def open_keys(
    connection: sa.Connection,
    vault: Vault,
    tenant_id: str,
    device_ids: Iterable[str],
    now: int,
    shut: set[str] | None = None,
) -> dict[str, list[DeviceKey]]:
    """The keys of each device that still hold: active, next, previous.

    `shut` gets the devices of which one cannot be opened; without it VaultError is raised.
    """
    keys: dict[str, list[DeviceKey]] = {}
    for row in connection.execute(
        sa.select(device_keys).where(
            device_keys.c.tenant_id == tenant_id,
            device_keys.c.device_id.in_(list(device_ids)),
            device_keys.c.slot.in_(list(_SLOTS)),
            sa.or_(device_keys.c.expires_at.is_(None), device_keys.c.expires_at > now),
        )
    ):
        try:
            secret = vault.open(row.secret_sealed or b"", purpose(row.device_id, row.key_version))
        except VaultError:
            if shut is None:
                raise
            shut.add(row.device_id)
            continue
        key = DeviceKey(row.key_version, row.slot, secret, row.expires_at)
        keys.setdefault(row.device_id, []).append(key)
    return {name: sorted(them, key=lambda key: _SLOTS[key.slot]) for name, them in keys.items()}
