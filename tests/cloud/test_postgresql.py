"""PostgreSQL: what the cloud's own role may see and do, and that migrations make what the tables say."""

import contextlib

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from host_sim.cloud.catalogue import tenants
from host_sim.cloud.cli import main
from host_sim.cloud.storage.company import watch
from host_sim.cloud.storage.database import TENANT, USER, Database, DatabaseError
from host_sim.cloud.storage.migrate import differences, migrate, pending
from host_sim.cloud.storage.role import check_role
from host_sim.cloud.storage.tables import OF_A_TENANT, SHARED, metadata
from tests.cloud.waiting import until

GUARDED = [table for table in OF_A_TENANT if table not in SHARED]


@pytest.fixture(scope="module")
def settings(postgres_settings) -> dict:
    return postgres_settings()


@pytest.fixture(scope="module")
def app(settings):
    """As the cloud connects."""
    database = Database(settings["database"])
    yield database
    database.close()


@pytest.fixture(scope="module")
def two_tenants(settings, postgres, app) -> tuple[str, str]:
    """Two tenants, each with one row in every table of a tenant."""
    with app.writing() as connection:
        ids = [tenants.add_tenant(connection, name, 0)[0] for name in ("ours", "theirs")]
    # The superuser alone may skip the references between tables, so that each needs a row of its own only.
    admin = Database(postgres.url(postgres.superuser, sa.make_url(settings["database"]).database))
    with admin.writing() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for number, tenant_id in enumerate(ids):
            for table in GUARDED:
                connection.execute(table.insert().values(_row(table, tenant_id, number)))
    admin.close()
    return ids[0], ids[1]


def _row(table: sa.Table, tenant_id: str, number: int) -> dict:
    row = {}
    for column in table.c:
        if column.name == "tenant_id":
            row[column.name] = tenant_id
        elif isinstance(column.type, sa.String):
            row[column.name] = f"x{number}"
        elif isinstance(column.type, sa.Boolean):
            row[column.name] = False
        elif isinstance(column.type, sa.Integer):
            row[column.name] = number
        elif isinstance(column.type, sa.LargeBinary):
            row[column.name] = b"\xab"
        else:
            row[column.name] = {}
    return row


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_every_table_with_a_tenant_is_guarded_but_those_that_name_one_before_it_is_known():
    assert {table.name for table in SHARED} <= {"agenda", "directory", "broker_logins"}
    assert {table.name for table in metadata.sorted_tables if "tenant_id" in table.c} == {
        table.name for table in (*GUARDED, *SHARED)
    }


@pytest.mark.parametrize("table", GUARDED, ids=lambda table: table.name)
def test_without_a_tenant_no_row_is_seen_and_with_one_only_its_own(app, two_tenants, table):
    with app.reading() as connection:
        assert _count(connection, table) == 0
    for tenant_id in two_tenants:
        with app.reading(tenant_id) as connection:
            rows = connection.execute(sa.select(table.c.tenant_id)).scalars().all()
            assert rows == [tenant_id]
    with app.reading("nobody") as connection:
        assert _count(connection, table) == 0


@pytest.mark.parametrize("table", GUARDED, ids=lambda table: table.name)
def test_nothing_is_written_for_another_tenant(app, two_tenants, table):
    ours, theirs = two_tenants
    with pytest.raises(DBAPIError, match="row-level security"), app.writing(ours) as connection:
        connection.execute(table.insert().values(_row(table, theirs, 7)))
    with app.writing(ours) as connection:
        assert connection.execute(table.delete().where(table.c.tenant_id == theirs)).rowcount == 0
        moved = table.update().where(table.c.tenant_id == theirs).values(tenant_id=ours)
        assert connection.execute(moved).rowcount == 0
    with pytest.raises(DBAPIError, match="row-level security"), app.writing(ours) as connection:
        connection.execute(table.update().values(tenant_id=theirs))
    with app.reading(theirs) as connection:
        assert _count(connection, table) == 1


def test_a_user_without_a_tenant_sees_itself_alone(app, two_tenants):
    user_id = tenants.add_user(app, "alone@example.org", 0)
    users = metadata.tables["users"]
    with app.reading(user_id=user_id) as connection:
        assert connection.execute(sa.select(users.c.id)).scalars().all() == [user_id]


def test_a_tenant_does_not_outlast_its_transaction(app, two_tenants):
    devices = metadata.tables["devices"]
    for _ in range(30):  # more than the pool has connections
        with app.reading(two_tenants[0]) as connection:
            assert _count(connection, devices) == 1
        with app.reading() as connection:
            assert _count(connection, devices) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE devices DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE devices NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY of_a_tenant ON devices",
        "CREATE POLICY mine ON devices USING (true)",
        "ALTER ROLE hxtp_app BYPASSRLS",
        "SET ROLE hxtp_owner",
        "SET SESSION AUTHORIZATION hxtp_owner",
        "SET LOCAL row_security = off; SELECT * FROM devices",
        "SET LOCAL session_replication_role = replica",
        "DROP TABLE devices",
        "CREATE TABLE beside (x int)",
        "TRUNCATE devices",
        "CREATE FUNCTION seen() RETURNS SETOF devices LANGUAGE sql SECURITY DEFINER AS 'TABLE devices'",
    ],
)
def test_the_clouds_role_cannot_take_the_guard_away(settings, two_tenants, statement):
    with (
        contextlib.closing(psycopg.connect(settings["database"])) as connection,
        pytest.raises(psycopg.Error) as refused,
    ):
        connection.execute(statement)
    assert isinstance(refused.value, psycopg.errors.InsufficientPrivilege)


def test_the_clouds_role_neither_owns_nor_bypasses_and_the_owner_is_bound_as_well(postgres, settings):
    name = sa.make_url(settings["database"]).database
    roles = dict(
        (role, (bypass, superuser))
        for role, bypass, superuser in postgres.execute(
            "SELECT rolname, rolbypassrls, rolsuper FROM pg_roles WHERE rolname LIKE 'hxtp%'"
        )
    )
    assert roles == {"hxtp_app": (False, False), "hxtp_owner": (False, False)}
    tables = postgres.execute(
        "SELECT c.relname, pg_get_userbyid(c.relowner), c.relrowsecurity, c.relforcerowsecurity "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'public' AND c.relkind = 'r'",
        name,
    )
    found = {relname: rest for relname, *rest in tables}
    for table in GUARDED:
        assert found[table.name] == ["hxtp_owner", True, True], table.name
    assert {owner for _, owner, _, _ in tables} == {"hxtp_owner"}


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_the_migrations_make_the_tables_and_twice_is_as_good_as_once(request, tmp_path, backend):
    role = None
    if backend == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'cloud.db'}")
    else:
        postgres = request.getfixturevalue("postgres")
        database = Database(postgres.url(postgres.OWNER, postgres.create("twice")))
        role = postgres.APP
    assert pending(database)
    for _ in range(2):
        migrate(database, role)
        assert not pending(database)
        assert differences(database) == []
    database.close()


def test_a_worker_that_starts_waits_for_nobody_who_serves(postgres, settings, app):
    # Nor does anybody wait for it: to lock what is as it has to be would stop everybody meanwhile.
    owner = Database(settings["database_owner"])
    with contextlib.closing(owner), app.writing() as connection:
        for table in metadata.sorted_tables:
            connection.execute(sa.text(f'LOCK TABLE "{table.name}" IN ROW EXCLUSIVE MODE'))
        migrate(owner, postgres.APP)


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE devices DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE devices NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY of_a_tenant ON devices",
        "ALTER POLICY of_a_tenant ON devices USING (true)",
        "ALTER POLICY of_a_tenant ON devices WITH CHECK (true)",
        "ALTER POLICY of_a_tenant ON devices TO hxtp_owner",
        "REVOKE UPDATE ON devices FROM hxtp_app",
        "REVOKE USAGE ON SEQUENCE telemetry_id_seq FROM hxtp_app",
    ],
)
def test_a_worker_that_starts_puts_back_what_guards_the_tables(postgres, settings, damage):
    name = sa.make_url(settings["database"]).database
    asked = (
        "SELECT relrowsecurity, relforcerowsecurity, relacl::text, polcmd, polroles::text,"
        " pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)"
        " FROM pg_class LEFT JOIN pg_policy ON polrelid = pg_class.oid"
        " WHERE relname IN ('devices', 'telemetry_id_seq') ORDER BY relname"
    )
    before = postgres.execute(asked, name)
    postgres.execute(damage, name)
    assert postgres.execute(asked, name) != before
    with contextlib.closing(Database(settings["database_owner"])) as owner:
        migrate(owner, postgres.APP)
    assert postgres.execute(asked, name) == before


def test_a_role_that_bypasses_row_level_security_is_not_let_in(postgres):
    owner = Database(postgres.url(postgres.OWNER, postgres.create("careless")))
    with pytest.raises(DatabaseError, match="bypasses row-level security"):
        migrate(owner, postgres.superuser)
    with pytest.raises(DatabaseError, match="CREATE ROLE nobody_here"):
        migrate(owner, "nobody_here")
    owner.close()


@pytest.mark.parametrize("command", [["--port", "0"], ["token", "--email", "me@home.example"], ["logins"]])
@pytest.mark.parametrize("role, why", [("superuser", "is a superuser"), ("OWNER", "owns the tables")])
def test_no_command_works_as_a_role_that_row_level_security_does_not_bind(
    postgres, postgres_settings, tmp_path, capsys, command, role, why
):
    name = sa.make_url(postgres_settings()["database"]).database
    url = postgres.url(getattr(postgres, role), name)
    assert main(["--data", str(tmp_path), "--database", url, "--broker-port", "0", *command]) == 1
    out, err = capsys.readouterr()
    assert why in err and "run the cloud as an ordinary role" in err and "Traceback" not in err
    assert out == ""


def test_a_role_that_bypasses_row_level_security_in_a_roundabout_way_is_not_taken(
    postgres, postgres_settings
):
    url = postgres_settings()["database"]
    name = sa.make_url(url).database
    for role, attributes in (("past_rls", "BYPASSRLS"), ("like_the_owner", f"IN ROLE {postgres.OWNER}")):
        postgres.execute(f"CREATE ROLE {role} LOGIN {attributes}")
        try:
            database = Database(postgres.url(role, name))
            with contextlib.closing(database), pytest.raises(DatabaseError, match=role):
                check_role(database)
        finally:
            postgres.execute(f"DROP ROLE {role}")
    with contextlib.closing(Database(url)) as database:
        check_role(database)


def test_a_worker_that_does_not_share_messages_with_the_others_is_noticed(
    postgres, postgres_settings, caplog
):
    url = postgres_settings()["database"]
    held = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"

    def told(*shared):
        until(lambda: not postgres.execute(held), "those before to be gone")
        caplog.clear()
        with contextlib.ExitStack() as stack:
            for one in shared:
                worker = stack.enter_context(contextlib.closing(Database(url)))
                watch(worker, one)
                for _ in range(2):
                    with worker.turning():
                        """It takes a turn."""
        return [record.getMessage().split(" of ")[0] for record in caplog.records]

    assert told(False) == told(True, True, True) == []
    assert told(True, True, False) == ["this worker, one"]
    assert told(False, True) == ["another worker"]
    assert told(False, False) == ["this worker, one"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app@db.example/hxtp",
        "postgresql://app@db.example/hxtp?sslmode=require",
        "postgresql://app@/hxtp?host=/run,db.example&sslmode=prefer",
        "postgresql://app@127.0.0.1.example/hxtp",
    ],
)
def test_over_a_network_postgresql_has_to_show_who_it_is(url, tmp_path, capsys):
    assert main(["--data", str(tmp_path), "--database", url]) == 1
    told = capsys.readouterr().err
    assert "over a network it has to be postgresql://" in told and "sslmode=verify-full" in told
    Database("postgresql://app@db.example/hxtp?sslmode=verify-full").close()
    for local in ("/hxtp?host=/run/postgresql", "127.0.0.1/hxtp", "localhost/hxtp", "/hxtp"):
        Database(f"postgresql://app@{local}").close()


def test_the_settings_that_the_policies_read_belong_to_the_transaction(app):
    with app.writing("somebody", "someone") as connection:
        seen = connection.execute(
            sa.text(f"SELECT current_setting('{TENANT}'), current_setting('{USER}')")
        ).one()
        assert tuple(seen) == ("somebody", "someone")
