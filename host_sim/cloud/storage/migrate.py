"""Brings a database to the tables of this version, with Alembic, and lets the cloud's role in.

On PostgreSQL the owner of the tables does this, and the cloud runs as another role that row-level security
binds: it neither owns the tables nor bypasses it. Must never lock tables that are as they have to be: every
worker that starts and every command does this, while others serve.
"""

from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from host_sim.cloud.storage.database import TENANT, USER, Database, DatabaseError, reason_of
from host_sim.cloud.storage.tables import OF_A_TENANT, SHARED, metadata

HERE = Path(__file__).resolve().parent


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    return config


def migrate(database: Database, role: str | None = None) -> None:
    """Make or renew the tables. `role`: of PostgreSQL, which the cloud runs as. Raises DatabaseError."""
    config = _config()
    try:
        with database.writing() as connection:
            if not database.is_sqlite:
                # Two workers that start together must not both do it.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(0x48785450)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if not database.is_sqlite:
                for statement in _row_security(connection):
                    connection.execute(sa.text(statement))
                if role is not None:
                    for statement in _grants(connection, role):
                        connection.execute(sa.text(statement))
    except DBAPIError as error:
        raise DatabaseError(f"{database.name}: the tables cannot be made: {reason_of(error)}") from None


def pending(database: Database) -> bool:
    """Whether the tables are of another version than this program."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    with database.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision() != head


def differences(database: Database) -> list:
    """What the migrations leave undone of `tables.metadata`: empty, or there is a migration to write."""
    with database.reading() as connection:
        return compare_metadata(MigrationContext.configure(connection), metadata)


# What PostgreSQL has of each table, in its own words; one that it would put otherwise is made anew.
_GUARDED = sa.text(
    """
    SELECT relname, relrowsecurity AND relforcerowsecurity AS guarded, array_agg(ARRAY[
        polname::text, polpermissive::text, polcmd::text, polroles::text,
        pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)]) AS policies
    FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid
    WHERE relnamespace = 'public'::regnamespace GROUP BY relname, relrowsecurity, relforcerowsecurity
    """
)


def _row_security(connection: sa.Connection) -> Iterable[str]:
    """Policies for every table of a tenant, where they are not in force yet. A transaction without a tenant
    sees no row of them.
    """
    there = {row.relname: row.policies for row in connection.execute(_GUARDED) if row.guarded}
    for table in OF_A_TENANT:
        if table in SHARED:
            continue
        rule = f"tenant_id = nullif(current_setting('{TENANT}', true), '')"
        kept = f"((tenant_id)::text = NULLIF(current_setting('{TENANT}'::text, true), ''::text))"
        if table.name == "users":
            rule += f" OR id = nullif(current_setting('{USER}', true), '')"
            kept = f"({kept} OR ((id)::text = NULLIF(current_setting('{USER}'::text, true), ''::text)))"
        if there.get(table.name) == [["of_a_tenant", "true", "*", "{0}", kept, kept]]:
            continue
        yield f'ALTER TABLE "{table.name}" ENABLE ROW LEVEL SECURITY'
        yield f'ALTER TABLE "{table.name}" FORCE ROW LEVEL SECURITY'
        yield f'DROP POLICY IF EXISTS of_a_tenant ON "{table.name}"'
        yield f'CREATE POLICY of_a_tenant ON "{table.name}" USING ({rule}) WITH CHECK ({rule})'


_LACKS = sa.text(
    """
    SELECT NOT has_schema_privilege(:role, 'public', 'USAGE') OR EXISTS (
        SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (
            relkind IN ('r', 'p') AND NOT (
                has_table_privilege(:role, oid, 'SELECT') AND has_table_privilege(:role, oid, 'INSERT')
                AND has_table_privilege(:role, oid, 'UPDATE') AND has_table_privilege(:role, oid, 'DELETE'))
            OR relkind = 'S' AND NOT has_sequence_privilege(:role, oid, 'USAGE')))
    """
)


def _grants(connection: sa.Connection, role: str) -> Iterable[str]:
    known = connection.execute(
        sa.text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = :role"), {"role": role}
    ).scalar()
    quoted = connection.dialect.identifier_preparer.quote(role)
    if known is None:
        raise DatabaseError(f"PostgreSQL has no role {role}: make it with CREATE ROLE {quoted} LOGIN")
    if known:
        raise DatabaseError(f"the role {role} bypasses row-level security: take an ordinary one")
    if connection.execute(_LACKS, {"role": role}).scalar():
        yield f"GRANT USAGE ON SCHEMA public TO {quoted}"
        yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {quoted}"
        yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted}"
