"""Seals all that is sealed anew with the first master key, so that the others can be forgotten.

Must never lose a secret: a row that changed meanwhile is left as it is, and an old key is forgotten only when
nothing is sealed with it any more. The cloud may run while this does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from host_sim.cloud.catalogue import clients as app_clients
from host_sim.cloud.catalogue import handshakes as sign_ins
from host_sim.cloud.links import keyring
from host_sim.cloud.security import tokens
from host_sim.cloud.security.vault import Vault, VaultError, add_key, forget_keys
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.locks import hold_links
from host_sim.cloud.storage.tables import (
    clients,
    device_keys,
    directory,
    handshakes,
    links,
    signing_keys,
    tenants,
)

SHARE = 500  # rows of a transaction
SAMPLE = 4  # rows of each kind and tenant, and tenants, that tell which master keys are in use


class Sealed(NamedTuple):
    """A column that holds what is sealed, and what for."""

    column: sa.Column
    purpose: Callable[[Any], str]


SEALED = (
    Sealed(signing_keys.c.key_sealed, lambda row: tokens.purpose(row.id)),
    Sealed(handshakes.c.token_sealed, lambda row: sign_ins.purpose(row.code_hash)),
    Sealed(clients.c.secret_sealed, lambda row: app_clients.purpose(row.id)),
    Sealed(device_keys.c.secret_sealed, lambda row: keyring.purpose(row.device_id, row.key_version)),
)


def sample(database: Database) -> list[bytes]:
    """Some of what is sealed, of every kind; empty where nothing is."""
    found: list[bytes] = []
    with database.reading() as connection:
        owners = list(
            connection.execute(
                sa.select(directory.c.tenant_id)
                .where(directory.c.kind.in_(("device", "client")), directory.c.tenant_id.is_not(None))
                .distinct()
                .limit(SAMPLE)
            ).scalars()
        )
    for sealed in SEALED:
        of_tenants = "tenant_id" in sealed.column.table.c
        for tenant_id in owners if of_tenants else [None]:
            mine = sealed.column.table.c.tenant_id == tenant_id if of_tenants else sa.true()
            asked = sa.select(sealed.column).where(mine, sealed.column.is_not(None)).limit(SAMPLE)
            with database.reading(tenant_id) as connection:
                found += connection.execute(asked).scalars()
    return found


def rekey(database: Database, vault: Vault) -> int:
    """Seal everything with the first key; how many there were to do. Raises VaultError."""
    with database.reading() as connection:
        tenant_ids = list(connection.execute(sa.select(tenants.c.id)).scalars())
    count = 0
    for sealed in SEALED:
        owners = tenant_ids if "tenant_id" in sealed.column.table.c else [None]
        for tenant_id in owners:
            count += _column(database, vault, sealed, tenant_id)
    return count


def _column(database: Database, vault: Vault, sealed: Sealed, tenant_id: str | None) -> int:
    table = sealed.column.table
    keys = list(table.primary_key.columns)
    mine = sa.true() if tenant_id is None else table.c.tenant_id == tenant_id
    count, last = 0, None
    while True:
        after = sa.true() if last is None else sa.tuple_(*keys) > last
        with database.writing(tenant_id) as connection:
            rows = connection.execute(
                sa.select(*keys, sealed.column.label("sealed"))
                .where(mine, after, sealed.column.is_not(None))
                .order_by(*keys)
                .limit(SHARE)
            ).all()
            if table is device_keys and tenant_id is not None:
                hold_links(connection, tenant_id, links.c.device_id.in_({row.device_id for row in rows}))
            for row in rows:
                if vault.is_current(row.sealed):
                    continue
                purpose = sealed.purpose(row)
                fresh = vault.seal(vault.open(row.sealed, purpose), purpose)
                same = [key == value for key, value in zip(keys, row, strict=False)]
                count += connection.execute(
                    table.update()
                    .where(mine, *same, sealed.column == row.sealed)
                    .values({sealed.column.name: fresh})
                ).rowcount
        if len(rows) < SHARE:
            return count
        last = tuple(rows[-1][: len(keys)])


def renew_master_key(database: Database, file: Path) -> int:
    """A new key in front of the others in `file`; how much was sealed with it. Raises VaultError, OSError."""
    add_key(file)
    return rekey(database, Vault.of_file(file))


def forget_old_keys(database: Database, file: Path) -> int:
    """Leave only the first key in `file`; how many went. Raises VaultError, OSError."""
    vault = Vault.of_file(file)
    rekey(database, vault)
    if rekey(database, vault):
        raise VaultError(
            "something is still being sealed with an old key: restart the workers, and try again"
        )
    return forget_keys(file)
