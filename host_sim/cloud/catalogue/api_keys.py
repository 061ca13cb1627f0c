"""API keys: `hxtp_`, 12 characters by which a key is found, and 43 that nobody can guess.

A key is given out once, where it is made; in the database is its hash. It acts for the user who made it, and
never beyond its scopes or that user's role, and ends when the user leaves the tenant.
"""

import secrets
import string
import uuid
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue import owned
from host_sim.cloud.catalogue.pages import Page
from host_sim.cloud.catalogue.tenants import one_more
from host_sim.cloud.security import hashing
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.tables import api_keys, directory

KEY_PREFIX = "hxtp_"
PREFIX_LENGTH = 12  # characters after KEY_PREFIX
MOST = 50  # keys of a tenant that are not revoked
USED_MS = 60000  # how exactly the last use is kept: a write a minute and key, not one a request
_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Key:
    """A new key, as it is shown once."""

    id: str
    name: str
    prefix: str
    key: str = field(repr=False)


def _draw() -> tuple[str, str]:
    """(prefix, key)."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(PREFIX_LENGTH))
    return prefix, f"{KEY_PREFIX}{prefix}{hashing.token()}"


def add(
    connection: sa.Connection, tenant_id: str, user_id: str, name: str, scopes: list[str], now: int
) -> Key:
    """Make a key. Raises TooMany."""
    one_more(connection, tenant_id, api_keys, MOST, "API keys", api_keys.c.revoked_at.is_(None))
    key_id, (prefix, key) = str(uuid.uuid4()), _draw()
    connection.execute(
        api_keys.insert().values(
            id=key_id,
            tenant_id=tenant_id,
            user_id=user_id,
            name=name,
            prefix=prefix,
            key_hash=hashing.digest(key),
            scopes=scopes,
            created_at=now,
        )
    )
    connection.execute(directory.insert().values(kind="api_key", key=prefix, tenant_id=tenant_id, ref=key_id))
    return Key(key_id, name, prefix, key)


def every(
    connection: sa.Connection, tenant_id: str, user_id: str | None, page: Page | None = None
) -> list[Any]:
    """The rows of a user's keys, or of all of the tenant's (user_id None), the oldest first; or of a page
    of them and one more.
    """
    return owned.every(connection, api_keys, tenant_id, user_id, page)


def find(connection: sa.Connection, tenant_id: str, user_id: str | None, name: str) -> Any:
    """The row of a key by its id or prefix (with or without `hxtp_`), of this user unless None; or None."""
    query = sa.select(api_keys).where(
        api_keys.c.tenant_id == tenant_id,
        sa.or_(api_keys.c.id == name, api_keys.c.prefix == name.removeprefix(KEY_PREFIX)),
    )
    if user_id is not None:
        query = query.where(api_keys.c.user_id == user_id)
    return connection.execute(query).first()


def revoke(connection: sa.Connection, tenant_id: str, key_id: str, now: int) -> bool:
    """End a key; whether it was still good. The row stays, for histories that name it."""
    return owned.revoke(connection, api_keys, "api_key", tenant_id, key_id, now)


def rotate(connection: sa.Connection, tenant_id: str, row: Any) -> Key | None:
    """Another key in place of the old one, which ends now; its id, name and scopes stay. None if revoked."""
    prefix, key = _draw()
    changed = connection.execute(
        api_keys.update()
        .where(api_keys.c.id == row.id, api_keys.c.tenant_id == tenant_id, api_keys.c.revoked_at.is_(None))
        .values(prefix=prefix, key_hash=hashing.digest(key), used_at=None)
    ).rowcount
    if not changed:
        return None
    connection.execute(
        directory.update()
        .where(directory.c.kind == "api_key", directory.c.ref == row.id, directory.c.tenant_id == tenant_id)
        .values(key=prefix)
    )
    return Key(row.id, row.name, prefix, key)


def behind(database: Database, key: str) -> Any:
    """The row of a key that somebody presents, before a tenant is known; None unless it is good."""
    prefix = key[len(KEY_PREFIX) :][:PREFIX_LENGTH]
    with database.reading() as connection:
        tenant_id = connection.execute(
            sa.select(directory.c.tenant_id).where(directory.c.kind == "api_key", directory.c.key == prefix)
        ).scalar()
        database.see(connection, tenant_id)
        return connection.execute(
            sa.select(api_keys).where(
                api_keys.c.prefix == prefix,
                api_keys.c.tenant_id == tenant_id,
                api_keys.c.key_hash == hashing.digest(key),
                api_keys.c.revoked_at.is_(None),
            )
        ).first()


def used(database: Database, row: Any, now: int) -> None:
    """Note that a key was used, once a minute."""
    if row.used_at is not None and now - row.used_at < USED_MS:
        return
    with database.writing(row.tenant_id, quiet=True) as connection:
        connection.execute(
            api_keys.update()
            .where(
                api_keys.c.id == row.id,
                api_keys.c.tenant_id == row.tenant_id,
                sa.or_(api_keys.c.used_at.is_(None), api_keys.c.used_at <= now - USED_MS),
            )
            .values(used_at=now)
        )
