"""Commands as they are asked about, and those that wait for a yes."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue.pages import beyond, bounded
from host_sim.cloud.storage.locks import forget
from host_sim.cloud.storage.tables import commands, confirmations


def find(connection: sa.Connection, tenant_id: str, command_id: str) -> Any:
    """The row of a command, or None."""
    return connection.execute(
        sa.select(commands).where(commands.c.id == command_id, commands.c.tenant_id == tenant_id)
    ).first()


def history(
    connection: sa.Connection,
    tenant_id: str,
    device_id: str,
    limit: int,
    before: int | None = None,
    after: tuple[int, ...] | None = None,
) -> tuple[list[Any], bool]:
    """The rows of a device's commands, the newest first, and whether there are more (`bounded`): those
    accepted before a time (ms), and those behind the (time, number) of one that is known.
    """
    query = sa.select(commands).where(commands.c.device_id == device_id, commands.c.tenant_id == tenant_id)
    if before is not None:
        query = query.where(commands.c.created_at < before)
    if after is not None:
        query = query.where(beyond(commands.c.created_at, commands.c.number, after, newest_first=True))
    query = query.order_by(commands.c.created_at.desc(), commands.c.number.desc())
    return bounded(connection, query, limit, "params", "result")


def add_confirmation(
    connection: sa.Connection,
    tenant_id: str,
    device_id: str,
    user_id: str,
    token_hash: str,
    command: tuple[str, str, str, Mapping[str, Any], int | None],
    now: int,
    expires_at: int,
) -> None:
    """A command (its id, what a yes is for, action, params, life in ms) waits for its token; what expired is
    forgotten.

    Several may wait with one id: they are one command, whichever is confirmed.
    """
    message_id, passed_as, action, params, life = command
    over = confirmations.c.tenant_id == tenant_id, confirmations.c.expires_at < now
    forget(connection, confirmations, *over)
    connection.execute(
        confirmations.insert().values(
            token_hash=token_hash,
            tenant_id=tenant_id,
            device_id=device_id,
            user_id=user_id,
            message_id=message_id,
            passed_as=passed_as,
            action=action,
            params=dict(params),
            life=life,
            counted=False,
            expires_at=expires_at,
        )
    )


def find_confirmation(
    connection: sa.Connection, tenant_id: str, device_id: str, user_id: str, token_hash: str, now: int
) -> Any:
    """The row that waits for this token, or was confirmed by it; None where there is none, or no more."""
    return connection.execute(
        sa.select(confirmations).where(
            confirmations.c.token_hash == token_hash,
            confirmations.c.tenant_id == tenant_id,
            confirmations.c.device_id == device_id,
            confirmations.c.user_id == user_id,
            confirmations.c.expires_at >= now,
        )
    ).first()


def count_confirmation(connection: sa.Connection, tenant_id: str, token_hash: str) -> None:
    """The limits have let it pass."""
    connection.execute(
        confirmations.update()
        .where(confirmations.c.token_hash == token_hash, confirmations.c.tenant_id == tenant_id)
        .values(counted=True)
    )
