"""What the broker has to be told of each device: wanted in the transaction of the change, written later.

Must never be written to the broker before the commit, nor lost by a crash after it: the row says what is
wanted and what the broker has. No password lies here; it is made from the device's key when it is written.

Nor may two workers write one device at a time: the older of two wishes, written last, would let a revoked
device in. So a row that was taken stays with its worker until that has ended or LEASE_MS are over, even where
something else is wanted meanwhile.
"""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.broker.doorman import PASSWORD_LIFE
from host_sim.cloud.links.keyring import purpose
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.locks import hold_links
from host_sim.cloud.storage.tables import broker_logins, device_keys, devices, tenants
from hxtp.sign import mqtt_password

NEVER = 1 << 62
WRITE_MS = 25000  # that telling the broker of one device may take: two questions, see dynsec
LEASE_MS = 2 * WRITE_MS  # for which a row belongs to the worker that took it
KEEP_S = PASSWORD_LIFE // 2  # an expiry that is further ahead than this is not named anew


@dataclass(frozen=True, slots=True)
class Login:
    """What the broker shall have: with `password` None, nothing. `until`: ms since 1970."""

    tenant_id: str
    device_id: str
    wanted: int
    until: int
    password: str | None = field(repr=False)


def grant(
    connection: sa.Connection, tenant_id: str, device_id: str, key_version: int, now: int, told: bool = True
) -> int:
    """The expiry, in seconds since 1970, of the password that this key makes; the broker will be told.

    `told`: the device learns it by a signed answer, and is none of those that use their secret instead.
    """
    row = connection.execute(
        sa.select(broker_logins).where(broker_logins.c.device_id == device_id).with_for_update()
    ).first()
    if row is None:
        expires_s = now // 1000 + PASSWORD_LIFE
        connection.execute(
            broker_logins.insert().values(
                device_id=device_id,
                tenant_id=tenant_id,
                key_version=key_version,
                expires_s=expires_s,
                told=told,
                wanted=1,
                written=0,
                due_at=now,
                held_until=0,
            )
        )
        return expires_s
    lasts = row.expires_s > now // 1000 + KEEP_S
    if lasts and row.key_version == key_version and (row.told or not told):
        return row.expires_s  # also where it is not written yet
    expires_s = row.expires_s if lasts else now // 1000 + PASSWORD_LIFE
    _want(
        connection,
        now,
        broker_logins.c.device_id == device_id,
        key_version=key_version,
        expires_s=expires_s,
        told=told or row.told,
    )
    return expires_s


def renew(connection: sa.Connection, device_id: str, now: int) -> None:
    """Something of this device changed: whether it is let in, or its keys."""
    _want(connection, now, broker_logins.c.device_id == device_id)


def renew_tenant(connection: sa.Connection, tenant_id: str, now: int) -> int:
    """A setting that decides on all devices of a tenant changed; how many these are."""
    hold_links(connection, tenant_id)
    return _want(connection, now, broker_logins.c.tenant_id == tenant_id)


def renew_all(database: Database, now: int) -> int:
    """Tell the broker of all devices again, for one that has forgotten; how many there are."""
    with database.reading() as connection:
        everybody = connection.execute(sa.select(tenants.c.id)).scalars().all()
    count = 0
    for tenant_id in everybody:
        with database.writing(tenant_id, quiet=True) as connection:
            count += renew_tenant(connection, tenant_id, now)
    return count


def _want(connection: sa.Connection, now: int, which: Any, **values: Any) -> int:
    return connection.execute(
        broker_logins.update()
        .where(which)
        .values(wanted=broker_logins.c.wanted + 1, due_at=now, error=None, **values)
    ).rowcount


def is_written(connection: sa.Connection, device_id: str) -> bool:
    """Whether the broker has what is wanted of this device."""
    row = connection.execute(
        sa.select(broker_logins.c.wanted, broker_logins.c.written).where(
            broker_logins.c.device_id == device_id
        )
    ).first()
    return row is not None and row.written >= row.wanted


def take(database: Database, now: int) -> Any:
    """The row that is due longest, which no other worker gets before `held_until`; None where none is due.

    One at a time: what waits behind a slow broker can be taken by others, and is read when its turn comes.
    """
    due = (
        sa.select(broker_logins.c.device_id)
        .where(broker_logins.c.due_at <= now, broker_logins.c.held_until <= now)
        .order_by(broker_logins.c.due_at)
        .limit(1)
    )
    with database.reading() as connection:
        # To look is cheap, and on SQLite keeps nobody from writing.
        if connection.execute(due).first() is None:
            return None
    with database.writing(quiet=True) as connection:
        device_id = connection.execute(due.with_for_update(skip_locked=True)).scalar()
        return connection.execute(
            broker_logins.update()
            .where(broker_logins.c.device_id == device_id)
            .values(held_until=now + LEASE_MS)
            .returning(broker_logins)
        ).first()


def in_time(row: Any, now: int) -> bool:
    """Whether there is time left to tell the broker of a row that was taken."""
    return now <= row.held_until - WRITE_MS


def login_of(connection: sa.Connection, vault: Vault, row: Any, now: int) -> Login:
    """What the broker shall have for such a row. The transaction sees the row's tenant."""
    found = connection.execute(
        sa.select(device_keys.c.secret_sealed, device_keys.c.expires_at, tenants.c.settings)
        .join(devices, devices.c.id == device_keys.c.device_id)
        .join(tenants, tenants.c.id == devices.c.tenant_id)
        .where(
            devices.c.tenant_id == row.tenant_id,
            devices.c.revoked_at.is_(None),
            device_keys.c.device_id == row.device_id,
            device_keys.c.key_version == row.key_version,
            device_keys.c.slot.in_(("active", "next", "previous")),
        )
    ).first()
    ends = row.expires_s * 1000
    if found is not None and found.expires_at is not None:
        ends = min(ends, found.expires_at)
    if found is None or ends <= now:
        return Login(row.tenant_id, row.device_id, row.wanted, NEVER, None)
    secret = vault.open(found.secret_sealed, purpose(row.device_id, row.key_version))
    if not row.told and (found.settings or {}).get("accept_secret_as_mqtt_password"):
        return Login(row.tenant_id, row.device_id, row.wanted, NEVER, secret.hex())
    password = mqtt_password(secret, row.device_id, row.expires_s)
    return Login(row.tenant_id, row.device_id, row.wanted, ends, password)


def _taken(row: Any) -> tuple[Any, ...]:
    # `held_until` rises with each worker that takes a row, and so tells whose it is.
    return broker_logins.c.device_id == row.device_id, broker_logins.c.held_until == row.held_until


def written(connection: sa.Connection, row: Any, login: Login) -> None:
    """The broker has it. Where something else was wanted meanwhile, that is due as it was."""
    still = broker_logins.c.wanted == login.wanted
    connection.execute(
        broker_logins.update()
        .where(*_taken(row))
        .values(
            written=login.wanted,
            due_at=sa.case((still, login.until), else_=broker_logins.c.due_at),
            held_until=0,
            error=None,
        )
    )


def failed(connection: sa.Connection, row: Any, error: str, again_at: int) -> None:
    """It did not work, or nobody knows; it is tried again, by nobody before that time, whatever is wanted."""
    connection.execute(
        broker_logins.update().where(*_taken(row)).values(held_until=again_at, error=error[:200])
    )
