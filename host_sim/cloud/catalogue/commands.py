"""Commands as they are asked about, and those that wait for a yes."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.storage.tables import commands, confirmations


def find(connection: sa.Connection, tenant_id: str, command_id: str) -> Any:
    """The row of a command, or None."""
    return connection.execute(
        sa.select(commands).where(commands.c.id == command_id, commands.c.tenant_id == tenant_id)
    ).first()


def history(connection: sa.Connection, tenant_id: str, device_id: str, most: int, before: int) -> list[Any]:
    """The rows of a device's commands that were accepted before a time (ms), the newest first."""
    return list(
        connection.execute(
            sa.select(commands)
            .where(
                commands.c.device_id == device_id,
                commands.c.tenant_id == tenant_id,
                commands.c.created_at < before,
            )
            .order_by(commands.c.created_at.desc(), commands.c.number.desc())
            .limit(most)
        )
    )


def add_confirmation(
    connection: sa.Connection,
    tenant_id: str,
    device_id: str,
    user_id: str,
    token_hash: str,
    command: tuple[str, str, Mapping[str, Any]],
    now: int,
    expires_at: int,
) -> None:
    """A command (kind, action, params) that waits for its token. Those that expired are forgotten."""
    kind, action, params = command
    connection.execute(
        confirmations.delete().where(confirmations.c.tenant_id == tenant_id, confirmations.c.expires_at < now)
    )
    connection.execute(
        confirmations.insert().values(
            token_hash=token_hash,
            tenant_id=tenant_id,
            device_id=device_id,
            user_id=user_id,
            kind=kind,
            action=action,
            params=dict(params),
            expires_at=expires_at,
        )
    )


def take_confirmation(
    connection: sa.Connection, tenant_id: str, device_id: str, user_id: str, token_hash: str, now: int
) -> Any:
    """The row that waited for this token, which is used up by it; None where there is none, or no more."""
    return connection.execute(
        confirmations.delete()
        .where(
            confirmations.c.token_hash == token_hash,
            confirmations.c.tenant_id == tenant_id,
            confirmations.c.device_id == device_id,
            confirmations.c.user_id == user_id,
            confirmations.c.expires_at >= now,
        )
        .returning(confirmations)
    ).first()
