"""People: passwords, sessions, and who belongs to a tenant in which role.

Must never tell, in answer or in time, whether an e-mail address is known to somebody who only guesses; nor
leave a tenant without an owner.
"""

import threading
import unicodedata
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from host_sim.cloud.catalogue.pages import Page, rows_of
from host_sim.cloud.catalogue.tenants import Taken, add_tenant, hold, one_more, user_id_of
from host_sim.cloud.security import hashing
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.tables import api_keys, clients, directory, users

HASHING = threading.BoundedSemaphore(2)  # Argon2 takes 64 MiB each time: strangers must not fill the memory

MOST = 1000  # people of a tenant
TRIES = 5  # to find a slug that nobody takes in between


class LastOwner(ValueError):
    """The tenant would be left without an owner."""


class WeakPassword(ValueError):
    """Says how long it has to be."""


def _normal(password: str) -> str:
    # The same key pressed on two keyboards may give two forms of one letter.
    return unicodedata.normalize("NFKC", password)


def check_password(password: str) -> None:
    """Raises WeakPassword."""
    fewest, most = hashing.PASSWORD
    if not fewest <= len(password) <= most:
        raise WeakPassword(f"a password has {fewest} to {most} characters")


def set_password(database: Database, user_id: str, password: str, now: int) -> None:
    """Give a user another password, which ends all tokens. Raises WeakPassword."""
    check_password(password)
    stored = hashing.password_hash(_normal(password))
    with database.writing(user_id=user_id) as connection:
        connection.execute(
            users.update()
            .where(users.c.id == user_id)
            .values(password_hash=stored, sessions_after=_ended(now))
        )


def with_password(database: Database, email: str, password: str) -> str | None:
    """The id of the user whose address and password these are, in about the same time for any other.

    Whoever calls sees to it that the password is no longer than one may be.
    """
    with database.reading() as connection:
        user_id = user_id_of(connection, email)
    stored = None
    if user_id is not None:
        with database.reading(user_id=user_id) as connection:
            stored = connection.execute(
                sa.select(users.c.password_hash).where(users.c.id == user_id)
            ).scalar()
    with HASHING:
        fits = hashing.password_fits(_normal(password), stored)
    return user_id if fits else None


def _ended(now: int) -> sa.Case[int]:
    """For `sessions_after`: it always rises, also where the clock was put back."""
    return sa.case((users.c.sessions_after >= now, users.c.sessions_after + 1), else_=now)


def end_sessions(database: Database, user_id: str, now: int) -> None:
    """No token that was issued to this user until now (ms) is taken any more."""
    with database.writing(user_id=user_id) as connection:
        connection.execute(users.update().where(users.c.id == user_id).values(sessions_after=_ended(now)))


def found_tenant(database: Database, user_id: str, name: str, now: int, tier: str) -> tuple[str, str]:
    """(id, slug) of a new tenant whose owner is this user. Raises Taken for somebody who has one already."""
    for _ in range(TRIES):
        try:
            with database.writing(user_id=user_id) as connection:
                tenant_id, slug = add_tenant(connection, name, now, tier)
                database.see(connection, tenant_id, user_id)
                changed = connection.execute(
                    users.update()
                    .where(users.c.id == user_id, users.c.tenant_id.is_(None))
                    .values(tenant_id=tenant_id, role="owner")
                ).rowcount
                if not changed:
                    raise Taken("this user has a tenant already")
                _note_tenant(connection, user_id, tenant_id)
                return tenant_id, slug
        except IntegrityError:
            continue  # somebody took the slug in between
    raise Taken("this name is in great demand just now")


def _note_tenant(connection: sa.Connection, user_id: str, tenant_id: str | None) -> None:
    connection.execute(
        directory.update()
        .where(directory.c.kind == "user", directory.c.ref == user_id)
        .values(tenant_id=tenant_id)
    )


# -- the members of a tenant ----


def members(connection: sa.Connection, tenant_id: str, page: Page | None = None) -> list[Any]:
    """Their rows, or of a page and one more, the oldest first."""
    query = sa.select(users.c.id, users.c.email, users.c.role, users.c.created_at).where(
        users.c.tenant_id == tenant_id
    )
    return rows_of(connection, query, users.c.created_at, users.c.id, page)


def member(connection: sa.Connection, tenant_id: str, user_id: str) -> Any:
    """The row of one member, or None."""
    return connection.execute(
        sa.select(users.c.id, users.c.email, users.c.role, users.c.created_at).where(
            users.c.tenant_id == tenant_id, users.c.id == user_id
        )
    ).first()


def invite(connection: sa.Connection, tenant_id: str, email: str, role: str, now: int) -> str:
    """The id of a new user of the tenant, without a password yet. Raises Taken where there is such a user,
    TooMany.
    """
    one_more(connection, tenant_id, users, MOST, "people")
    user_id = str(uuid.uuid4())
    try:
        with connection.begin_nested():
            connection.execute(
                directory.insert().values(kind="user", key=email.lower(), tenant_id=tenant_id, ref=user_id)
            )
            connection.execute(
                users.insert().values(
                    id=user_id,
                    tenant_id=tenant_id,
                    email=email.lower(),
                    role=role,
                    password_hash=None,
                    sessions_after=0,
                    created_at=now,
                )
            )
    except IntegrityError:
        raise Taken("there is a user with this address already") from None
    return user_id


def change_role(connection: sa.Connection, tenant_id: str, user_id: str, role: str) -> None:
    """Give a member another role. Raises LastOwner."""
    _keep_an_owner(connection, tenant_id, user_id, role)
    connection.execute(
        users.update().where(users.c.id == user_id, users.c.tenant_id == tenant_id).values(role=role)
    )


def remove(connection: sa.Connection, tenant_id: str, user_id: str, now: int) -> None:
    """Let a member go, with the keys and clients they made; they are a user without a tenant then.

    The transaction sees the tenant and the user. Raises LastOwner.
    """
    _keep_an_owner(connection, tenant_id, user_id, "none")
    for table, kind in ((api_keys, "api_key"), (clients, "client")):
        # In the order of those who revoke or rotate one of them.
        connection.execute(
            table.update()
            .where(table.c.tenant_id == tenant_id, table.c.user_id == user_id, table.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        connection.execute(
            directory.delete().where(
                directory.c.kind == kind,
                directory.c.tenant_id == tenant_id,
                directory.c.ref.in_(
                    sa.select(table.c.id).where(table.c.tenant_id == tenant_id, table.c.user_id == user_id)
                ),
            )
        )
    connection.execute(
        users.update()
        .where(users.c.id == user_id, users.c.tenant_id == tenant_id)
        .values(tenant_id=None, role="none", sessions_after=_ended(now))
    )
    _note_tenant(connection, user_id, None)


def _keep_an_owner(connection: sa.Connection, tenant_id: str, user_id: str, role: str) -> None:
    hold(connection, tenant_id)
    others = connection.execute(
        sa.select(sa.func.count())
        .select_from(users)
        .where(users.c.tenant_id == tenant_id, users.c.role == "owner", users.c.id != user_id)
    ).scalar()
    if not others and role != "owner":
        raise LastOwner("the tenant needs an owner; make somebody else one first")
