"""Handshakes: a command line shows a code, a person approves it in a browser, the command line gets a token.

    waiting → approved → taken        waiting → refused        any of them ends five minutes after it began

Must never keep a code in clear, nor give a token out twice.
"""

import re
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from host_sim.cloud.security import hashing
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.locks import forget
from host_sim.cloud.storage.tables import handshakes

CODE = re.compile(r"HXT-[0-9a-fA-F]{64}")
LIFE_MS = 5 * 60 * 1000
KEPT_MS = 10 * 60 * 1000  # after its end it is still known, to tell "expired" from "unknown"

WAITING, APPROVED, REFUSED, TAKEN, EXPIRED = "waiting", "approved", "refused", "taken", "expired"


@dataclass(frozen=True, slots=True)
class Handshake:
    """`state` as above or "expired". `token`: for the one that takes it."""

    state: str
    expires_at: int
    token: str | None = field(default=None, repr=False)


def purpose(code_hash: str) -> str:
    return f"handshakes/{code_hash}"


def _state(row: sa.Row, now: int) -> str:
    return EXPIRED if row.state in (WAITING, APPROVED) and row.expires_at <= now else row.state


def begin(database: Database, code: str, now: int) -> Handshake:
    """The handshake of a code, which begins now if it is new."""
    found = look(database, code, now)
    if found is not None:
        return found
    try:
        with database.writing() as connection:
            forget(connection, handshakes, handshakes.c.expires_at < now - KEPT_MS)
            connection.execute(
                handshakes.insert().values(
                    code_hash=hashing.digest(code), state=WAITING, created_at=now, expires_at=now + LIFE_MS
                )
            )
    except IntegrityError:
        found = look(database, code, now)  # two windows opened it at once
    return found or Handshake(WAITING, now + LIFE_MS)


def look(database: Database, code: str, now: int) -> Handshake | None:
    """How it stands, without its token; None for a code that nobody began."""
    with database.reading() as connection:
        row = connection.execute(
            sa.select(handshakes).where(handshakes.c.code_hash == hashing.digest(code))
        ).first()
    return None if row is None else Handshake(_state(row, now), row.expires_at)


def decide(database: Database, vault: Vault, code: str, now: int, token: str | None) -> bool:
    """Approve with a token for who approves, or refuse with None. Whether it was still waiting."""
    code_hash = hashing.digest(code)
    sealed = None if token is None else vault.seal(token.encode(), purpose(code_hash))
    with database.writing() as connection:
        changed = connection.execute(
            handshakes.update()
            .where(
                handshakes.c.code_hash == code_hash,
                handshakes.c.state == WAITING,
                handshakes.c.expires_at > now,
            )
            .values(state=REFUSED if token is None else APPROVED, token_sealed=sealed)
        ).rowcount
    return bool(changed)


def poll(database: Database, vault: Vault, code: str, now: int) -> Handshake | None:
    """How it stands; the first to see it approved gets the token, and nobody after that."""
    found = look(database, code, now)
    if found is None or found.state != APPROVED:
        return found
    code_hash = hashing.digest(code)
    with database.writing() as connection:
        row = connection.execute(sa.select(handshakes).where(handshakes.c.code_hash == code_hash)).first()
        mine = connection.execute(
            handshakes.update()
            .where(handshakes.c.code_hash == code_hash, handshakes.c.state == APPROVED)
            .values(state=TAKEN, token_sealed=None)
        ).rowcount
    if not mine or row is None or row.token_sealed is None:
        return Handshake(TAKEN, found.expires_at)
    token = vault.open(row.token_sealed, purpose(code_hash)).decode()
    return Handshake(APPROVED, found.expires_at, token)
