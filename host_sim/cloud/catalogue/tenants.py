"""Tenants and their users. What is found before a tenant is known goes through the directory."""

import re
import unicodedata
import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.settings import TENANT_SETTINGS
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.locks import hold_links
from host_sim.cloud.storage.tables import directory, links, tenants, users

TIERS = ("free", "pro", "unlimited")


class Taken(Exception):
    """Somebody has that name already."""


class TooMany(Exception):
    """There are as many as there may be; the text says how many."""


@dataclass(frozen=True, slots=True)
class User:
    """`tenant_id` is None and `role` "none" for somebody who has no tenant yet."""

    id: str
    email: str
    role: str
    tenant_id: str | None
    tenant_slug: str | None
    tier: str | None
    settings: dict[str, Any]
    sessions_after: int  # ms since 1970; tokens issued before are not taken


def slug_of(name: str, otherwise: str = "home") -> str:
    """A name as it stands in addresses: a-z, 0-9 and hyphens, at most 48 characters, never empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].strip("-") or otherwise


def find_user(database: Database, user_id: str) -> User | None:
    """A user with the tenant, by id."""
    with database.reading(user_id=user_id) as connection:
        row = connection.execute(
            sa.select(users, tenants.c.slug, tenants.c.tier, tenants.c.settings)
            .outerjoin(tenants, tenants.c.id == users.c.tenant_id)
            .where(users.c.id == user_id)
        ).first()
    if row is None:
        return None
    return User(
        row.id,
        row.email,
        row.role,
        row.tenant_id,
        row.slug,
        row.tier,
        row.settings or {},
        row.sessions_after,
    )


def user_id_of(connection: sa.Connection, email: str) -> str | None:
    """The id of the user with this e-mail address."""
    return connection.execute(
        sa.select(directory.c.ref).where(directory.c.kind == "user", directory.c.key == email.lower())
    ).scalar()


def add_user(database: Database, email: str, now: int, password_hash: str | None = None) -> str:
    """A user without a tenant. Raises Taken."""
    user_id = str(uuid.uuid4())
    with database.writing(user_id=user_id) as connection:
        if user_id_of(connection, email) is not None:
            raise Taken(f"there is a user with the address {email}")
        # In the order of users.invite: who adds the same address waits here, and has nothing yet.
        connection.execute(
            directory.insert().values(kind="user", key=email.lower(), tenant_id=None, ref=user_id)
        )
        connection.execute(
            users.insert().values(
                id=user_id,
                tenant_id=None,
                email=email.lower(),
                role="none",
                password_hash=password_hash,
                sessions_after=0,
                created_at=now,
            )
        )
    return user_id


def add_tenant(connection: sa.Connection, name: str, now: int, tier: str = "free") -> tuple[str, str]:
    """(id, slug) of a new tenant; where the slug is taken it gets a number."""
    base = slug_of(name)
    taken = set(
        connection.execute(sa.select(tenants.c.slug).where(tenants.c.slug.like(f"{base}%"))).scalars()
    )
    slug, number = base, 2
    while slug in taken:
        slug, number = f"{base}-{number}", number + 1
    tenant_id = str(uuid.uuid4())
    connection.execute(
        tenants.insert().values(id=tenant_id, slug=slug, name=name, tier=tier, settings={}, created_at=now)
    )
    return tenant_id, slug


def tenant_by_slug(connection: sa.Connection, slug: str) -> Any:
    """The row of a tenant, or None."""
    return connection.execute(sa.select(tenants).where(tenants.c.slug == slug)).first()


def slugs(connection: sa.Connection, most: int) -> list[str]:
    """The slugs of all tenants, up to `most`, for operators."""
    return list(connection.execute(sa.select(tenants.c.slug).order_by(tenants.c.slug).limit(most)).scalars())


def set_tier(connection: sa.Connection, slug: str, tier: str) -> bool:
    """Put a tenant into another tier; whether there is such a tenant."""
    changed = connection.execute(tenants.update().where(tenants.c.slug == slug).values(tier=tier))
    return changed.rowcount > 0


def hold(connection: sa.Connection, tenant_id: str) -> None:
    """Let nobody else who holds this tenant go on before this transaction ends: counts stay true.

    Rows that only name the tenant can be added meanwhile, such as commands.
    """
    locked = sa.select(tenants.c.id).where(tenants.c.id == tenant_id).with_for_update(key_share=True)
    connection.execute(locked)


def one_more(
    connection: sa.Connection,
    tenant_id: str,
    table: sa.Table,
    most: int,
    what: str,
    *which: sa.ColumnElement[bool],
    of: str = "tenant",
) -> None:
    """Hold the tenant, to whose rows one can be added then.

    `which`: the rows that count. Raises TooMany where there are `most` of these already; `what` and `of` say
    what and whose they are, in words.
    """
    hold(connection, tenant_id)
    count = sa.select(sa.func.count()).select_from(table).where(table.c.tenant_id == tenant_id, *which)
    if connection.execute(count).scalar_one() >= most:
        raise TooMany(f"{most} {what} are the most that a {of} may have")


def settings_of(connection: sa.Connection, tenant_id: str) -> dict[str, Any]:
    """What the tenant has set; what is not in it has its default."""
    return connection.execute(sa.select(tenants.c.settings).where(tenants.c.id == tenant_id)).scalar() or {}


def change_settings(
    connection: sa.Connection, tenant_id: str, given: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was set before and what is now, both without what has its default; None stands for the default."""
    hold(connection, tenant_id)
    before = settings_of(connection, tenant_id)
    after = {
        name: value
        for name, value in {**before, **given}.items()
        if value is not None and value != TENANT_SETTINGS.get(name)
    }
    connection.execute(tenants.update().where(tenants.c.id == tenant_id).values(settings=after))
    if any(before.get(name) != after.get(name) for name in ("max_age_s", "future_s")):
        # Every worker reads the tenant's links anew, and judges by the new limits.
        hold_links(connection, tenant_id)
        connection.execute(
            links.update().where(links.c.tenant_id == tenant_id).values(version=links.c.version + 1)
        )
    return before, after


def join(connection: sa.Connection, user_id: str, tenant_id: str, role: str) -> None:
    """Make a user one of the tenant. The transaction sees both (`database.see`)."""
    connection.execute(users.update().where(users.c.id == user_id).values(tenant_id=tenant_id, role=role))
    connection.execute(
        directory.update()
        .where(directory.c.kind == "user", directory.c.ref == user_id)
        .values(tenant_id=tenant_id)
    )
