"""Opens what a cloud keeps: its database, as a role that is bound to one tenant at a time.

Must never give a database to anybody before it has the tables of this version.
"""

from host_sim.cloud.settings import Settings
from host_sim.cloud.storage.database import Database, DatabaseError
from host_sim.cloud.storage.migrate import migrate, pending
from host_sim.cloud.storage.role import check_role


def open_database(settings: Settings) -> Database:
    """The database with its tables. Raises DatabaseError, also for a role that sees every tenant's rows."""
    url = settings.database_url()
    owner = Database(settings.database_owner or url)
    try:
        owner.check()
        role = None if owner.is_sqlite or not settings.database_owner else Database(url).url.username
        if owner.is_sqlite or settings.database_owner:
            migrate(owner, role)
        elif pending(owner):
            raise DatabaseError(
                f"{owner.name} has tables of another version: give database_owner, the role that owns them"
            )
    finally:
        owner.close()
    database = Database(url)
    try:
        database.check()
        check_role(database)
    except DatabaseError:
        database.close()
        raise
    return database
