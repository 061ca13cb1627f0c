"""App clients: programs that sign what they send over the WebSocket, each with a secret of its own.

A secret is given out once, where it is made; in the database it is sealed, and never in an error.
"""

import os
import uuid
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue import owned
from host_sim.cloud.catalogue.pages import Page
from host_sim.cloud.catalogue.tenants import one_more
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage.tables import clients, directory

SECRET = 32  # bytes
MOST = 100  # clients of a tenant that are not revoked


@dataclass(frozen=True, slots=True)
class Client:
    """A new client, as it is shown once."""

    id: str
    name: str
    secret: bytes = field(repr=False)


def purpose(client_id: str) -> str:
    """What a client's secret is sealed for."""
    return f"clients/{client_id}"


def add(connection: sa.Connection, vault: Vault, tenant_id: str, user_id: str, name: str, now: int) -> Client:
    """Make a client of this user's. Raises TooMany."""
    one_more(connection, tenant_id, clients, MOST, "app clients", clients.c.revoked_at.is_(None))
    made = Client(uuid.uuid4().hex, name, os.urandom(SECRET))
    connection.execute(
        clients.insert().values(
            id=made.id,
            tenant_id=tenant_id,
            user_id=user_id,
            name=name,
            secret_sealed=vault.seal(made.secret, purpose(made.id)),
            created_at=now,
        )
    )
    connection.execute(
        directory.insert().values(kind="client", key=made.id, tenant_id=tenant_id, ref=made.id)
    )
    return made


def every(
    connection: sa.Connection, tenant_id: str, user_id: str | None, page: Page | None = None
) -> list[Any]:
    """The rows of a user's clients, or of all of the tenant's (user_id None), the oldest first; or of a page
    of them and one more.
    """
    return owned.every(connection, clients, tenant_id, user_id, page)


def find(connection: sa.Connection, tenant_id: str, client_id: str) -> Any:
    """The row of a client, revoked or not, or None."""
    return connection.execute(
        sa.select(clients).where(clients.c.id == client_id, clients.c.tenant_id == tenant_id)
    ).first()


def usable(connection: sa.Connection, tenant_id: str, user_id: str) -> list[Any]:
    """The rows of a user's clients that are not revoked, the newest first."""
    return list(
        connection.execute(
            sa.select(clients)
            .where(
                clients.c.tenant_id == tenant_id,
                clients.c.user_id == user_id,
                clients.c.revoked_at.is_(None),
            )
            .order_by(clients.c.created_at.desc(), clients.c.id)
        )
    )


def secret_of(vault: Vault, row: Any) -> bytes:
    """The secret of a client's row. Raises VaultError."""
    return vault.open(row.secret_sealed, purpose(row.id))


def revoke(connection: sa.Connection, tenant_id: str, client_id: str, now: int) -> bool:
    """End a client; whether it was still good. The row stays, for histories that name it."""
    return owned.revoke(connection, clients, "client", tenant_id, client_id, now)
