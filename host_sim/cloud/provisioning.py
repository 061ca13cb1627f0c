"""What an operator does with the database at hand: a user, a tenant, a token."""

import time

from host_sim.cloud.catalogue import tenants, users
from host_sim.cloud.opening import open_database, open_vault
from host_sim.cloud.security.tokens import Tokens
from host_sim.cloud.settings import Settings


def token_for(
    settings: Settings,
    email: str,
    tenant: str | None,
    role: str | None = None,
    tier: str | None = None,
    *,
    change_role: bool = False,
) -> str:
    """A bearer token for a user, who is made if new; so is the tenant, which the user then belongs to.

    `role`: of one who is new in the tenant, by default owner. `change_role`: and of one who is there.
    Raises DatabaseError, VaultError, SettingsError, and ValueError where the user belongs to another tenant
    already, has another role, or would be the last owner to go.
    """
    settings.make_data()
    database = open_database(settings)
    try:
        vault = open_vault(settings, database)
        now = time.time_ns() // 1000000
        with database.reading() as connection:
            user_id = tenants.user_id_of(connection, email)
        if user_id is None:
            user_id = tenants.add_user(database, email, now)
        if tenant is not None:
            user = tenants.find_user(database, user_id)
            assert user is not None
            slug = tenants.slug_of(tenant)
            if user.tenant_id is not None and user.tenant_slug != slug:
                raise ValueError(f"{email} belongs to the tenant {user.tenant_slug}; use another address")
            with database.writing(user_id=user_id) as connection:
                known = tenants.tenant_by_slug(connection, slug)
                if known is None:
                    tenant_id, _ = tenants.add_tenant(connection, tenant, now, tier or settings.tier)
                else:
                    tenant_id = known.id
                database.see(connection, tenant_id, user_id)
                if user.tenant_id is None:
                    tenants.join(connection, user_id, tenant_id, role or "owner")
                elif role is not None and role != user.role:
                    if not change_role:
                        raise ValueError(
                            f"{email} has the role {user.role} in {slug}: leave --role out for a token with "
                            f"that one; --change-role makes it {role}"
                        )
                    users.change_role(connection, tenant_id, user_id, role)
        return Tokens(database, vault, settings.token_life_s).make(user_id)
    finally:
        database.close()


def local_token(settings: Settings, tenant: str | None = None) -> str:
    """A token for programs of whoever holds the cloud's data, as the owner `client@TENANT.localhost`: of the
    only tenant that there is; of `home` or the one that is asked for, made now and without a limit of
    requests, where there is none.

    Raises what `token_for` raises; ValueError too where there are several tenants, or not this one.
    """
    settings.make_data()
    database = open_database(settings)
    try:
        with database.reading() as connection:
            known = tenants.slugs(connection, 10)
            wanted = None if tenant is None else tenants.tenant_by_slug(connection, tenants.slug_of(tenant))
    finally:
        database.close()
    if tenant is None and len(known) > 1:
        raise ValueError(f"there are several tenants, choose one with --tenant: {', '.join(known)}")
    if tenant is None:
        tenant = known[0] if known else "home"
    elif known and wanted is None:
        slug, names = tenants.slug_of(tenant), ", ".join(known)
        raise ValueError(f"there is no tenant {slug}; there are: {names}. `cloud token --tenant` makes one")
    return token_for(settings, f"client@{tenants.slug_of(tenant)}.localhost", tenant, tier="unlimited")


def set_password(settings: Settings, email: str, password: str) -> bool:
    """Give a user a password, which ends the tokens so far; whether the user was made for it.

    Raises DatabaseError, WeakPassword.
    """
    settings.make_data()
    database = open_database(settings)
    try:
        now = time.time_ns() // 1000000
        with database.reading() as connection:
            user_id = tenants.user_id_of(connection, email)
        made = user_id is None
        users.check_password(password)
        if user_id is None:
            user_id = tenants.add_user(database, email, now)
        users.set_password(database, user_id, password, now)
        return made
    finally:
        database.close()
