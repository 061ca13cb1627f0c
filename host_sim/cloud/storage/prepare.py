"""Makes what the cloud needs in a PostgreSQL: two roles with passwords of their own, a database, tables.

Must never show a password: new ones go into a password file of libpq's (mode 0600), and to the server as the
verifiers that it would keep of them anyway.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa
from psycopg import sql

from host_sim.cloud.storage.database import LOCK_S, Database, DatabaseError, check_network, reason_of
from host_sim.cloud.storage.migrate import migrate
from host_sim.cloud.storage.role import check_role
from host_sim.files import replace_file


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made: roles, whether the database was, and the file with the roles' passwords."""

    roles: list[str]
    database: bool
    passwords: Path | None


def prepare(app: str, owner: str, admin: str = "", passwords: Path | None = None) -> Prepared:
    """Make what is missing, and renew the tables. `app`, `owner`, `admin`: URLs of the role that the cloud
    runs as, of the one that owns the tables, and of one that may make both and the database; without it they
    must be there. `passwords`: where those of new roles go, in libpq's form; without it they have none.
    With `admin` PGPASSWORD is that role's, and nobody else's.

    Raises DatabaseError, OSError.
    """
    first, second = Database(app), Database(owner)
    try:
        if first.is_sqlite or second.is_sqlite:
            raise DatabaseError("this prepares PostgreSQL; SQLite makes its tables when the cloud starts")
        roles = [first.url.username, second.url.username]
        name = first.url.database
        if not all(roles) or roles[0] == roles[1] or not name or name != second.url.database:
            raise DatabaseError("database and database_owner name one database, and two roles in it")
        made = _make(admin, roles, name, passwords) if admin else Prepared([], False, None)
        if admin:
            for database in (first, second):
                database.use_passwords(made.passwords)
        second.check()
        migrate(second, roles[0])
        first.check()
        check_role(first)
        return made
    finally:
        first.close()
        second.close()


def _make(admin: str, roles: list[str], name: str, passwords: Path | None) -> Prepared:
    check_network(sa.make_url(admin))
    url = sa.make_url(admin).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=LOCK_S) as connection:
            known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
            fresh = [role for role in roles if role not in known]
            words = {role: secrets.token_urlsafe(24) for role in fresh} if passwords is not None else {}
            if passwords is not None and words:
                # First: a role whose password nobody knows would be worse than a line too many.
                _remember(passwords, name, words)
            for role in fresh:
                statement = sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role))
                if role in words:
                    verifier = connection.pgconn.encrypt_password(
                        words[role].encode(), role.encode(), b"scram-sha-256"
                    )
                    statement += sql.SQL(" PASSWORD {}").format(sql.Literal(verifier.decode()))
                connection.execute(statement)
            missing = not connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [name]
            ).fetchone()
            if missing:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(name), sql.Identifier(roles[1])
                    )
                )
    except psycopg.Error as error:
        raise DatabaseError(f"as {sa.make_url(admin).username}: {reason_of(error)}") from None
    return Prepared(fresh, missing, passwords if passwords is not None and passwords.exists() else None)


def _remember(file: Path, name: str, words: dict[str, str]) -> None:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    kept = [line for line in lines if not any(line.startswith(f"*:*:{name}:{role}:") for role in words)]
    replace_file(file, "\n".join([*kept, *(f"*:*:{name}:{role}:{word}" for role, word in words.items()), ""]))
