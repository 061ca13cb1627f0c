"""The operator's commands: preparing PostgreSQL and Mosquitto, and renewing keys while the cloud runs."""

import contextlib
import io
import json
import os
import tomllib
from pathlib import Path

import pytest
import sqlalchemy as sa

from host_sim.cloud.catalogue import devices
from host_sim.cloud.cli import main
from host_sim.cloud.images import Images
from host_sim.cloud.opening import open_vault
from host_sim.cloud.provisioning import local_token, token_for
from host_sim.cloud.rekey import SEALED
from host_sim.cloud.security.tokens import TokenError, Tokens
from host_sim.cloud.security.vault import Vault, VaultError, key_file
from host_sim.cloud.server import Cloud
from host_sim.cloud.settings import Settings, load
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.migrate import differences
from host_sim.cloud.storage.tables import broker_logins, device_keys, metadata, signing_keys
from host_sim.counted import counted
from host_sim.files import StoreError, lock_folder, replace_file
from tests.cloud.waiting import until


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Of a cloud on SQLite that does not run; commands find them in the environment."""
    monkeypatch.setenv("HXTP_CLOUD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HXTP_CLOUD_BROKER_PORT", "0")
    return load()


@pytest.fixture
def prepared(postgres, tmp_path, monkeypatch):
    """prepare(): the command as an administrator; roles of this test's own, by TCP with passwords."""
    monkeypatch.delenv("PGPASSFILE", raising=False)
    name = f"made_{tmp_path.name[-20:].replace('-', '_')}".lower()
    urls = [postgres.tcp_url(f"{name}_{role}", name) for role in ("app", "owner")]
    passwords = tmp_path / "pgpass"
    admin = postgres.url(postgres.superuser, "postgres")

    def prepare(*more):
        return main(["migrate", "--database", urls[0], "--database-owner", urls[1], *more])

    prepare.full = ("--admin", admin, "--passwords", str(passwords))
    prepare.urls, prepare.passwords, prepare.name = urls, passwords, name
    yield prepare
    postgres.drop(name)
    for role in ("app", "owner"):
        postgres.execute(f"DROP ROLE IF EXISTS {name}_{role}")


def test_one_command_prepares_postgresql_and_again_does_no_harm(prepared, postgres, capsys):
    assert prepared(*prepared.full) == 0
    first = capsys.readouterr().out
    assert "made the role" in first and "made the database" in first and "PGPASSFILE=" in first
    lines = prepared.passwords.read_text().splitlines()
    assert prepared.passwords.stat().st_mode & 0o077 == 0 and len(lines) == 2
    assert not any(line.rsplit(":", 1)[1] in first for line in lines), "no password is shown"
    assert prepared(*prepared.full) == 0
    assert "made the" not in capsys.readouterr().out
    assert prepared.passwords.read_text().splitlines() == lines
    for url in prepared.urls:
        database = Database(url)
        database.use_passwords(prepared.passwords)
        database.check()
        assert differences(database) == []
        database.close()
    kept = postgres.execute(f"SELECT rolpassword FROM pg_authid WHERE rolname LIKE '{prepared.name}%'")
    assert all(verifier.startswith("SCRAM-SHA-256$") for (verifier,) in kept)


def test_the_administrators_password_is_not_tried_for_the_others(prepared, postgres, monkeypatch, capsys):
    admin = f"{prepared.name}_admin"
    postgres.execute(f"CREATE ROLE {admin} SUPERUSER LOGIN PASSWORD '{postgres.password}'")
    try:
        monkeypatch.setenv("PGPASSWORD", postgres.password)
        full = ("--admin", postgres.tcp_url(admin, "postgres"), *prepared.full[2:])
        assert prepared(*full) == 0, capsys.readouterr().err
        assert prepared(*full) == 0, capsys.readouterr().err
    finally:
        postgres.execute(f"DROP ROLE {admin}")


def test_who_gives_no_password_is_told_where_one_belongs(prepared, monkeypatch, capsys):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    assert prepared() == 1
    told = capsys.readouterr().err
    assert "no password supplied: name a file with the role's password in PGPASSFILE" in told
    assert prepared.urls[1] in told, "the address as it was typed"


def test_without_an_administrator_the_command_says_what_is_missing(prepared, capsys):
    assert prepared() == 1
    told = capsys.readouterr().err
    assert prepared.name in told and "Traceback" not in told


@pytest.mark.parametrize(
    "arguments, told",
    [
        ((), "give --database and --database-owner"),
        (("--database", "postgresql://a@/x", "--database-owner", "postgresql://a@/x"), "two roles"),
        (("--database", "postgresql://a@/x", "--database-owner", "postgresql://b@/y"), "one database"),
        (("--database", "sqlite:///x", "--database-owner", "sqlite:///x"), "when the cloud starts"),
    ],
)
def test_what_cannot_be_prepared_is_said(settings, capsys, arguments, told):
    assert main(["migrate", *arguments]) == 1
    assert told in capsys.readouterr().err


def test_one_command_sets_mosquitto_up_and_again_keeps_devices_and_certificates(settings, tmp_path, capsys):
    folder = tmp_path / "mosquitto"
    command = ["mosquitto", "--folder", str(folder), "--name", "broker.example", "--mqtt-port", "8884"]
    assert main(command) == 0
    told = capsys.readouterr().out
    given = tomllib.loads((folder / "cloud.toml").read_text())
    assert given["broker"] == "mqtts://hxtp-cloud@broker.example:8884"
    assert given["broker_password"] not in told and str(folder / "mosquitto.conf") in told
    assert load(file=folder / "cloud.toml", environment={}).dynamic_security is True
    known = folder / "dynamic-security.json"
    listed = json.loads(known.read_text())
    listed["clients"].append({"username": "a-device"})
    known.write_text(json.dumps(listed))
    ca = (folder / "pki" / "ca.pem").read_bytes()
    assert main(command) == 0
    again = json.loads(known.read_text())
    assert [one["username"] for one in again["clients"]] == ["hxtp-cloud", "a-device"]
    assert (folder / "pki" / "ca.pem").read_bytes() == ca
    assert tomllib.loads((folder / "cloud.toml").read_text())["broker_password"] != given["broker_password"]


@pytest.mark.parametrize(
    "arguments, status, told",
    [
        (("--name", "no host\n"), 2, "no host's name"),
        (("--mqtt-port", "0"), 2, "1 to 65535"),
        (("--plugin", "/nowhere.so"), 1, "apt-get install mosquitto"),
        (("--account", "no-such-account"), 1, "there is no account no-such-account on this machine"),
        (
            ("--folder", "a file"),
            2,
            "a file cannot hold Mosquitto's files (it is a file): name another folder",
        ),
        (("--folder", "a file/in/it"), 2, "a file is a file): name another folder with --folder"),
        (("--folder", "kept/by/a/folder"), 2, "/pki/ca.pem is a folder): name another folder with --folder"),
    ],
)
def test_what_mosquitto_cannot_be_set_up_with_is_said(
    settings, tmp_path, monkeypatch, capsys, arguments, status, told
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)  # nobody else can be given files
    Path("a file").touch()
    Path("kept/by/a/folder/pki/ca.pem").mkdir(parents=True)
    assert main(["mosquitto", *arguments]) == status
    err = capsys.readouterr().err
    assert told in err and "Errno" not in err


def test_a_damaged_list_of_devices_is_not_overwritten(settings, tmp_path, capsys):
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    (folder / "dynamic-security.json").write_text("{")
    assert main(["mosquitto", "--folder", str(folder)]) == 1
    assert "is damaged" in capsys.readouterr().err
    assert (folder / "dynamic-security.json").read_text() == "{"


# -- keys ----------------------------------------------------------------------------------------------------


def _sealed(cloud):
    """Every sealed value that there is, by table."""
    found = {}
    for sealed in SEALED:
        with cloud.services.database.reading(_tenant(cloud)) as connection:
            found[sealed.column.table.name] = list(
                connection.execute(sa.select(sealed.column).where(sealed.column.is_not(None))).scalars()
            )
    return found


def _tenant(cloud):
    with cloud.services.database.reading() as connection:
        return connection.execute(sa.text("SELECT id FROM tenants WHERE slug = 'home'")).scalar()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def cloud_settings(request):
    if request.param == "sqlite":
        return {}
    return request.getfixturevalue("postgres_settings")()


@pytest.fixture
def on_this_cloud(cloud, monkeypatch):
    """Commands find the running cloud's settings in the environment."""
    for name in ("data", "database", "database_owner", "tier"):
        monkeypatch.setenv(f"HXTP_CLOUD_{name.upper()}", str(getattr(cloud.settings, name)))


def test_a_second_cloud_in_the_same_folder_ends_before_it_touches_anything(
    cloud, api, device, capsys, monkeypatch
):
    """Two brokers at one database would swallow commands: the device is at one of them."""
    monkeypatch.setattr("host_sim.cloud.logs.configure", lambda *unused: None)
    lamp, data = device(), cloud.settings.data
    address = (data / "address").read_text()
    assert main(["--data", str(data), "--port", "0", "--broker-port", "0"]) == 1
    told = f"host_sim cloud: {data} is used by another process; stop it, or use another --data\n"
    assert capsys.readouterr() == ("", told)
    assert (data / "address").read_text() == address
    assert api().command(lamp.id, "light_on")["status"] == "acknowledged"
    assert main(["token", "--data", str(data), "--email", "beside@home.example", "--tenant", "home"]) == 0
    assert capsys.readouterr().out.count(".") == 2


def test_workers_at_a_broker_of_their_own_share_a_folder_that_none_with_its_own_broker_may_have(tmp_path):
    held = [lock_folder(tmp_path, shared=True) for _ in range(2)]
    with pytest.raises(StoreError, match="is used by another process"):
        lock_folder(tmp_path)
    for one in held:
        os.close(one)
    with pytest.raises(StoreError), contextlib.closing(os.fdopen(lock_folder(tmp_path), "w")):
        lock_folder(tmp_path, shared=True)


def test_every_sealed_column_is_sealed_anew():
    columns = {
        column for table in metadata.sorted_tables for column in table.c if column.name.endswith("_sealed")
    }
    assert {sealed.column for sealed in SEALED} == columns


def test_the_master_key_is_renewed_under_a_running_cloud(cloud, api, device, on_this_cloud, capsys):
    lamp = device()
    owner = api("owner")
    owner.post("/auth/clients", json={"name": "an app"}).raise_for_status()
    file = Path(cloud.settings.data) / "master.key"
    old = key_file(file)
    before = _sealed(cloud)
    assert before["device_keys"] and before["signing_keys"] and before["clients"]

    assert main(["rekey", "--new"]) == 0
    assert "secrets are sealed with the new key" in capsys.readouterr().out
    assert key_file(file)[1:] == old and file.stat().st_mode & 0o077 == 0
    vault = Vault(key_file(file))
    for name, values in _sealed(cloud).items():
        assert not set(values) & set(before[name])
        assert all(vault.is_current(value) for value in values), name

    # The workers go on: with what is in memory, with what they have to open, and with what they seal.
    assert owner.command(lamp.id, "light_on")["status"] == "acknowledged"
    cloud.services.exchange._turn.cache.clear()
    assert owner.command(lamp.id, "light_off")["status"] == "acknowledged"
    other = device()
    assert main(["rekey", "--forget"]) == 0
    assert "1 other is forgotten" in capsys.readouterr().out
    assert len(key_file(file)) == 1
    assert main(["rekey"]) == 0
    assert capsys.readouterr().out.startswith("0 secrets")
    cloud.services.exchange._turn.cache.clear()
    for thing in (lamp, other):
        assert owner.command(thing.id, "light_on")["status"] == "acknowledged"
    with pytest.raises(VaultError), cloud.services.database.reading(_tenant(cloud)) as connection:
        row = connection.execute(sa.select(device_keys).limit(1)).one()
        Vault(old).open(row.secret_sealed, "whatever")


def test_nothing_that_a_cloud_writes_can_be_read_by_others_but_certificates(tmp_path, client_of):
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)  # as made by somebody who thought of nothing
    before = os.umask(0o022)
    try:
        settings = load({"data": str(data), "port": 0, "broker_port": 0}, environment={})
        with Cloud(settings) as running:
            Images(data / "firmware", 100).store("1f" * 18, io.BytesIO(b"an image"))
            token = token_for(settings, "me@home.example", "home")
            client_of(running).get(
                "/auth/me", headers={"Authorization": f"Bearer {token}"}
            ).raise_for_status()
            written = {path.name: path.stat().st_mode & 0o777 for path in data.rglob("*") if path.is_file()}
    finally:
        os.umask(before)
    assert written.keys() >= {"cloud.db", "cloud.db-wal", "cloud.db-shm", "master.key", "address", "ca.pem"}
    public = {"ca.pem", "server.pem"}  # certificates, which everybody is to know
    assert len(written) >= 12
    assert {name: mode for name, mode in written.items() if mode != 0o600} == dict.fromkeys(public, 0o644)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_database_is_not_served_with_another_master_key_than_its_own(
    request, tmp_path, monkeypatch, capsys, database
):
    """A lost key, a restored database, a second machine: nothing is made that replaces what is lost."""
    data, calls = tmp_path / "data", [[], ["token", "--email", "you@home.example"], ["rekey", "--new"]]
    monkeypatch.setattr("host_sim.cloud.logs.configure", lambda *unused: None)
    for name, value in {"data": data, "port": 0, "broker_port": 0}.items():
        monkeypatch.setenv(f"HXTP_CLOUD_{name.upper()}", str(value))
    if database == "postgresql":
        monkeypatch.setenv("HXTP_CLOUD_DATABASE", request.getfixturevalue("postgres_settings")()["database"])
    token_for(load(), "me@home.example", "home")
    file = data / "master.key"
    key = file.read_text()
    file.unlink()
    for call in calls:
        assert main(call) == 1
        told = capsys.readouterr()
        assert f"{file} is not there" in told.err and told.out == "" and not file.exists()
    replace_file(file, "ab" * 32)
    for call in calls:
        assert main(call) == 1
        assert f"{file} holds another master key" in capsys.readouterr().err
    replace_file(file, f"{'ab' * 32}\n{key}")  # as while keys are renewed
    token_for(load(), "me@home.example", "home")
    monkeypatch.setenv("HXTP_CLOUD_MASTER_KEY", "cd" * 32)
    assert main(["renew-tokens"]) == 1
    assert "HXTP_CLOUD_MASTER_KEY holds another master key" in capsys.readouterr().err


def test_one_secret_that_was_damaged_does_not_keep_a_cloud_from_starting(database, tenant):
    settings = Settings(master_key="ab" * 32)
    vault = open_vault(settings, database)
    with database.writing(tenant) as connection:
        bad, _ = [devices.register(connection, vault, tenant, "x", 1767225600000) for _ in range(2)]
        of_it = device_keys.c.device_id == bad.device_id
        connection.execute(device_keys.update().where(of_it).values(secret_sealed=b"\0" * 60))
    open_vault(settings, database)
    with pytest.raises(VaultError):
        open_vault(Settings(master_key="cd" * 32), database)


@pytest.mark.parametrize(
    "command",
    [
        ["rekey", "--new"],
        ["renew-tokens", "--end-all"],
        ["logins"],
        ["tier", "--tenant", "home", "--tier", "pro"],
        ["forget", "--tenant", "home", "--yes"],
    ],
    ids=lambda command: command[0],
)
def test_a_folder_without_a_cloud_is_told_and_none_is_made_there(settings, capsys, command):
    assert main(command) != 0
    assert f"there is no cloud's data in {settings.data}: give the --data" in capsys.readouterr().err
    assert not settings.data.exists()


def test_a_tenant_that_is_misspelt_is_not_made_where_there_are_others(settings):
    local_token(settings)
    with pytest.raises(ValueError, match="there is no tenant hoem; there are: home"):
        local_token(settings, "hoem")
    assert local_token(settings, "Home")


def test_keys_in_the_environment_are_not_changed_by_a_command(settings, monkeypatch, capsys):
    monkeypatch.setenv("HXTP_CLOUD_MASTER_KEY", "ab" * 32)
    assert main(["rekey", "--new"]) == 1
    assert "master_key holds the keys" in capsys.readouterr().err
    monkeypatch.setenv("HXTP_CLOUD_MASTER_KEY", f"{'cd' * 32},{'ab' * 32}")
    token_for(load(), "me@example.org", "home")
    monkeypatch.setenv("HXTP_CLOUD_MASTER_KEY", f"{'ef' * 32},{'cd' * 32}")
    assert main(["rekey"]) == 0
    assert "1 secret was sealed with an old key, and is not any more" in capsys.readouterr().out
    monkeypatch.setenv("HXTP_CLOUD_MASTER_KEY", "ef" * 32)
    token_for(load(), "me@example.org", "home")


def test_renewed_tokens_leave_the_old_ones_until_they_are_ended(
    cloud, api, on_this_cloud, capsys, monkeypatch
):
    owner = api("owner")
    token = owner.headers["Authorization"].removeprefix("Bearer ")
    assert main(["renew-tokens"]) == 0
    assert "until they expire" in capsys.readouterr().out
    tokens = Tokens(cloud.services.database, cloud.services.vault)
    fresh = tokens.make(tokens.read(token).user_id)
    assert owner.get("/devices").status_code == 200
    assert owner.get("/devices", headers={"Authorization": f"Bearer {fresh}"}).status_code == 200

    assert main(["renew-tokens", "--end-all"]) == 0
    assert "sign in again" in capsys.readouterr().out
    with cloud.services.database.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(signing_keys)).scalar() == 1
    for one in (token, fresh):
        with pytest.raises(TokenError):
            Tokens(cloud.services.database, cloud.services.vault).read(one)
    # A worker that runs looks again after a while, without anybody who tells it.
    monkeypatch.setattr("host_sim.cloud.security.tokens.RELOAD_S", 0)
    until(lambda: owner.get("/devices").status_code == 401, "the token to end", every=0.1)


def test_a_mosquitto_is_told_of_all_devices_again_and_other_brokers_need_not_be(
    cloud, on_this_cloud, monkeypatch, capsys
):
    before = _wanted(cloud)
    assert before
    for broker, says in (("", "the embedded broker looks up"), ("mqtts://c@b.example", "asks the cloud who")):
        monkeypatch.setenv("HXTP_CLOUD_BROKER", broker)
        assert main(["logins"]) == 2
        told = capsys.readouterr()
        assert says in told.err and "nothing was done" in told.err and told.out == ""
    assert _wanted(cloud) == before
    monkeypatch.setenv("HXTP_CLOUD_DYNAMIC_SECURITY", "true")
    assert main(["logins"]) == 0
    assert counted(len(before), "device") in capsys.readouterr().out
    assert _wanted(cloud) == {name: wanted + 1 for name, wanted in before.items()}


def _wanted(cloud):
    with cloud.services.database.reading() as connection:
        rows = connection.execute(sa.select(broker_logins.c.device_id, broker_logins.c.wanted))
        return {row.device_id: row.wanted for row in rows}
