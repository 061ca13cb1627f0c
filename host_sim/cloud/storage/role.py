"""Whether row-level security binds the role that the cloud uses PostgreSQL as.

Must never let a role serve that could see the rows of every tenant: one forgotten condition in a query, and
one tenant would read what is another's.
"""

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from host_sim.cloud.storage.database import Database, DatabaseError, reason_of
from host_sim.cloud.storage.tables import OF_A_TENANT, SHARED

# Of whoever signed in, too: who became another role can go back. A member of the owner may do what it may.
_ROLES = sa.text(
    """
    SELECT rolname, rolsuper, rolbypassrls, EXISTS (
        SELECT FROM pg_class WHERE relkind IN ('r', 'p') AND relname = ANY(:tables)
        AND relnamespace = 'public'::regnamespace AND pg_has_role(pg_roles.oid, relowner, 'MEMBER')
    ) AS owns
    FROM pg_roles WHERE rolname IN (current_user, session_user)
    """
)


def check_role(database: Database) -> None:
    """Raises DatabaseError for a role that row-level security does not bind, or that could end it."""
    if database.is_sqlite:
        return
    guarded = [table.name for table in OF_A_TENANT if table not in SHARED]
    try:
        with database.reading() as connection:
            found = connection.execute(_ROLES, {"tables": guarded}).all()
    except DBAPIError as error:
        raise DatabaseError(f"{database.name}: {reason_of(error)}") from None
    for role in found:
        if role.rolsuper or role.rolbypassrls:
            why = "is a superuser" if role.rolsuper else "has BYPASSRLS"
        elif role.owns:
            why = "owns the tables"
        else:
            continue
        raise DatabaseError(
            f"{database.name}: the role {role.rolname} {why}, so that row-level security does not bind it: "
            "run the cloud as an ordinary role that owns nothing, and name the owner in database_owner "
            "(`python -m host_sim cloud migrate --help` makes both)"
        )
