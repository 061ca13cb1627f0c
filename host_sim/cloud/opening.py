"""Opens what a cloud keeps: its database, as a role that is bound to one tenant at a time, and its vault.

Must never give a database to anybody before it has the tables of this version, nor begin to seal with a new
master key what others have to open with the old one.
"""

from host_sim.cloud.rekey import sample
from host_sim.cloud.security.vault import Vault, VaultError
from host_sim.cloud.settings import PREFIX, Settings, SettingsError
from host_sim.cloud.storage.database import Database, DatabaseError
from host_sim.cloud.storage.migrate import migrate, pending
from host_sim.cloud.storage.role import check_role


def open_database(settings: Settings) -> Database:
    """The database with its tables. Raises DatabaseError, also for a role that sees every tenant's rows, and
    SettingsError where `data` has no place for it.
    """
    url = settings.database_url()
    try:
        owner = Database(settings.database_owner or url)
        owner.check()
    except OSError as error:
        if not settings.database:
            raise settings.no_folder(error) from None
        raise DatabaseError(f"{url} cannot be used: {error.strerror}") from None
    try:
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


def open_existing(settings: Settings) -> Database:
    """As `open_database`, of a cloud that there is: SettingsError where `data` holds none."""
    if not settings.database and not settings.database_file().exists():
        raise SettingsError(
            f"there is no cloud's data in {settings.data}: give the --data or the --config that it runs with"
        )
    return open_database(settings)


def open_vault(settings: Settings, database: Database) -> Vault:
    """Over the master keys, made where nothing is sealed yet. Raises SettingsError, VaultError.

    Secrets that were damaged one by one are not looked for: those concern whom they belong to.
    """
    file = settings.key_file()
    # Looked at again behind the sample: another worker may just have made both the key and what it seals.
    if not settings.master_key and not file.exists() and sample(database) and not file.exists():
        raise VaultError(
            f"{file} is not there, and {database.name} holds secrets that only its master key opens: bring "
            f"that file from the backup or from another worker, or set {PREFIX}MASTER_KEY"
        )
    vault = settings.vault()
    sealed = sample(database)
    if sealed and not any(vault.knows(one) for one in sealed):
        given = f"{PREFIX}MASTER_KEY" if settings.master_key else str(file)
        raise VaultError(
            f"{given} holds another master key than the one that the secrets in {database.name} are sealed "
            "with: give the right one, from the backup or from another worker"
        )
    return vault
