"""Nonces of those who have no lasting sequence (app clients, bootstrap, firmware checks), for all workers.

Must never remember anything of a message or request whose signature does not hold: `take` comes after that.
"""

import hashlib

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from host_sim.cloud.storage.tables import nonces

KEPT_MS = 600000  # longer than a message stays timely: 300 s of age and 60 s of the future
SWEPT = 256  # rows of others that one `take` forgets at most


def take(connection: sa.Connection, scope: str, nonce: str, now: int, life: int = KEPT_MS) -> bool:
    """Use a nonce up for `life` ms; False where it was used. `scope`: whose it is, 52 characters at most.

    Of two transactions that take the same one at the same time, the second waits and is told False.
    """
    nonce = _short(nonce)
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(nonces)
    statement = insert.values(scope=scope, nonce=nonce, expires_at=now + life)
    taken = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["scope", "nonce"],
            set_={"expires_at": statement.excluded.expires_at},
            where=nonces.c.expires_at <= now,
        ).returning(nonces.c.nonce)
    ).first()
    _sweep(connection, now)
    return taken is not None


def seen(connection: sa.Connection, scope: str, nonce: str, now: int) -> bool:
    """Whether `take` would say False; changes nothing."""
    return (
        connection.execute(
            sa.select(nonces.c.nonce).where(
                nonces.c.scope == scope, nonces.c.nonce == _short(nonce), nonces.c.expires_at > now
            )
        ).first()
        is not None
    )


def _short(nonce: str) -> str:
    return nonce if len(nonce) <= 64 else hashlib.sha256(nonce.encode()).hexdigest()


def _sweep(connection: sa.Connection, now: int) -> None:
    # Each one that is added takes away more than one that is over, so the table stays small by itself.
    over = (
        sa.select(nonces.c.scope, nonces.c.nonce)
        .where(nonces.c.expires_at <= now)
        .limit(SWEPT)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(over).all()
    if rows:
        connection.execute(
            nonces.delete().where(sa.tuple_(nonces.c.scope, nonces.c.nonce).in_([tuple(row) for row in rows]))
        )
