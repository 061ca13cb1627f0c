"""An operator deletes a tenant, or a user without one: all of it goes, and nothing else."""

import contextlib
import io

import pytest
import sqlalchemy as sa

from host_sim.cloud.broker import logins, usher
from host_sim.cloud.broker.doorman import Doorman
from host_sim.cloud.broker.usher import Usher
from host_sim.cloud.catalogue import devices, forgetting, tenants
from host_sim.cloud.cli import main
from host_sim.cloud.images import Images
from host_sim.cloud.links import ledger
from host_sim.cloud.settings import Settings
from host_sim.cloud.storage.database import FAILURES, Database
from host_sim.cloud.storage.tables import broker_logins, metadata, releases
from host_sim.cloud.sweeper import Sweeper
from hxtp.sign import mqtt_password
from tests.cloud.raw_device import NOW, VAULT
from tests.cloud.waiting import until

OF_A_TENANT = [table for table in metadata.sorted_tables if "tenant_id" in table.c]
VALUES = {sa.Boolean: False, sa.LargeBinary: b"\xab", sa.JSON: {}, sa.Integer: 0, sa.BigInteger: 0}


def _fill(database, tenant_id):
    """A row in every table of a tenant, each of which names those before it that it can name."""
    ids = {"tenants": tenant_id}
    with database.writing(tenant_id) as connection:
        for table in OF_A_TENANT:
            row = {}
            for column in table.c:
                if column.name == "tenant_id":
                    row[column.name] = tenant_id
                elif column.foreign_keys:
                    row[column.name] = ids[next(iter(column.foreign_keys)).column.table.name]
                elif isinstance(column.type, sa.String):
                    row[column.name] = f"{table.name[:3]}-{tenant_id}"[: min(column.type.length, 36)]
                elif not (column.primary_key and column.autoincrement is True):
                    row[column.name] = next(v for kind, v in VALUES.items() if isinstance(column.type, kind))
            connection.execute(table.insert().values(row))
            ids[table.name] = row.get("id")


def _counts(database, tenant_id):
    with database.reading(tenant_id) as connection:
        return {
            table.name: connection.execute(
                sa.select(sa.func.count()).select_from(table).where(table.c.tenant_id == tenant_id)
            ).scalar_one()
            for table in OF_A_TENANT
        }


def test_nothing_of_a_tenant_is_left_and_all_of_another_one_is(database, tenant):
    with database.writing() as connection:
        other = tenants.add_tenant(connection, "Other", NOW)[0]
    for one in (tenant, other):
        _fill(database, one)
    before = _counts(database, other)
    assert set(before.values()) == {1} and _counts(database, tenant) == before
    assert forgetting.sizes(database, tenant) == (1, 1)
    dropped = []
    forgetting.forget_tenant(database, tenant, NOW, dropped.append)
    assert set(_counts(database, tenant).values()) == {0}
    assert _counts(database, other) == before
    with database.reading() as connection:
        names = connection.execute(sa.select(metadata.tables["tenants"].c.id)).scalars().all()
    assert tenant not in names and other in names


def test_its_devices_are_refused_by_workers_that_knew_them(database, tenant):
    with database.writing(tenant) as connection:
        made = devices.register(connection, VAULT, tenant, "x", NOW)
    doorman, cache = Doorman(database, VAULT), {}
    password = mqtt_password(made.secret, made.device_id, NOW // 1000 + 3600)

    def held():
        with database.writing(tenant) as connection:
            return ledger.hold(connection, VAULT, tenant, [made.device_id], cache, NOW)

    assert doorman.check_password(made.device_id, password, NOW // 1000) and held()
    forgetting.forget_tenant(database, tenant, NOW, str)
    assert not doorman.check_password(made.device_id, password, NOW // 1000)
    assert not doorman.check_password(made.device_id, made.secret.hex(), NOW // 1000)
    assert not held()


def test_at_the_embedded_broker_those_who_are_gone_are_shown_out_and_nobody_else(database, tenant):
    with database.writing(tenant) as connection:
        made = [devices.register(connection, VAULT, tenant, "x", NOW).device_id for _ in range(2)]
    with database.writing() as connection:
        other = tenants.add_tenant(connection, "Other", NOW)[0]
    with database.writing(other) as connection:
        theirs = devices.register(connection, VAULT, other, "x", NOW).device_id
    out = []
    one = Usher(database, lambda: [*made, theirs], lambda device_id: bool(out.append(device_id)))
    assert one.look() == out == []
    forgetting.forget_tenant(database, tenant, NOW, str)
    assert one.look() == out == sorted(made)


def test_nobody_is_shown_out_where_the_database_does_not_say_who_is_there(tmp_path):
    out = []
    with contextlib.closing(Database(f"sqlite:///{tmp_path / 'empty.db'}")) as broken:
        one = Usher(broken, lambda: ["somebody"], lambda device_id: bool(out.append(device_id)))
        with pytest.raises(FAILURES):
            one.look()
    assert out == []


def test_it_is_told_once_that_nobody_can_say_who_is_gone_and_not_at_every_look(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(usher, "LOOK_S", 0.001)
    looks = []
    with contextlib.closing(Database(f"sqlite:///{tmp_path / 'empty.db'}")) as broken:
        one = Usher(broken, lambda: looks.append(1) or ["somebody"], lambda device_id: True).start()
        until(lambda: len(looks) > 3, "some looks")
        one.stop()
    assert caplog.text.count("who is at the broker could not be looked up") == 1


def test_what_a_broker_was_told_of_its_devices_is_taken_back_before_it_is_forgotten(database, tenant):
    with database.writing(tenant) as connection:
        for _ in range(2):
            device_id = devices.register(connection, VAULT, tenant, "x", NOW).device_id
        connection.execute(
            broker_logins.update().where(broker_logins.c.device_id == device_id).values(written=1)
        )
    forgetting.forget_tenant(database, tenant, NOW, str)

    def left():
        with database.reading() as connection:
            mine = sa.select(broker_logins).where(broker_logins.c.tenant_id == tenant)
            return connection.execute(mine).all()

    def sweep():
        with database.writing() as connection:
            connection.execute(metadata.tables["chores"].delete())
        Sweeper(database, Settings(), lambda: NOW).sweep()

    sweep()
    [row] = left()
    assert row.device_id == device_id and row.written < row.wanted
    with database.reading(tenant) as connection:
        login = logins.login_of(connection, VAULT, row, NOW)
    assert login.password is None, "the broker is to let it in no more"
    with database.writing() as connection:
        logins.written(connection, row, login)
    sweep()
    assert left() == []


def test_an_operator_says_yes_and_then_tokens_keys_and_devices_end_while_the_cloud_runs(
    cloud, api, device, capsys
):
    owner = api("owner", "gone")
    lamp = device(tenant="gone")
    key = owner.post("/auth/api-keys", json={"name": "k", "scopes": ["read:devices"]}).json()["key"]
    tenant_id = lamp.registration["tenant_id"]
    release = owner.post(
        "/firmware/upload",
        files={"file": ("image.bin", io.BytesIO(b"an image"))},
        data={"device_type": "x", "version": "1.0.0"},
    )
    with cloud.services.database.reading(tenant_id) as connection:
        stored = connection.execute(sa.select(releases.c.id)).scalars().all()
    assert release.status_code == 201 and len(stored) == 1
    image = Images(cloud.settings.data / "firmware", 0).path(stored[0])
    assert image.exists()
    command = ["--data", str(cloud.settings.data), "forget", "--tenant", "Gone"]
    assert main(command) == 1
    assert "its 1 person and 1 device are deleted for good" in capsys.readouterr().err
    assert owner.get("/devices").json()["count"] == 1
    told = []
    with contextlib.ExitStack() as stack:
        assert main([*command, "--yes"]) == 0
        stack.callback(cloud.services.exchange.listen(told.append))
        until(lambda: owner.get("/auth/me").status_code == 401, "the token's end")
        cloud.services.exchange.receive(f"hxtp/{tenant_id}/device/{lamp.id}/state", b"what it says")
        until(lambda: [one.code for one in told if one.device_id == lamp.id], "what becomes of its message")
        assert {(one.kind, one.code) for one in told if one.device_id == lamp.id} == {
            ("refused", "DEVICE_NOT_FOUND")
        }
        assert not image.exists()
        assert api(None).get("/devices", headers={"Authorization": f"Bearer {key}"}).status_code == 401
        # Nobody tells the running cloud: it finds out, and cuts the device off.
        until(lambda: lamp.mqtt.refusals, "the refusal of its next login")
    assert main([*command, "--yes"]) == 1
    assert "there is no tenant gone" in capsys.readouterr().err


def test_somebody_without_a_tenant_is_deleted_and_nobody_who_has_one(cloud, api, capsys):
    api("owner")
    email, member = "alone@nowhere.example", "member@home.example"
    alone = tenants.add_user(cloud.services.database, email, NOW)
    api().post("/tenant/users", json={"email": member, "role": "user"})
    command = ["--data", str(cloud.settings.data), "forget", "--email"]
    for who, yes, said in (
        (email, [], "with --yes alone@nowhere.example is deleted"),
        (member, ["--yes"], "belongs to a tenant"),
        ("nobody@home.example", ["--yes"], "there is no user"),
    ):
        assert main([*command, who, *yes]) == 1
        assert said in capsys.readouterr().err
    assert tenants.find_user(cloud.services.database, alone) is not None
    assert main([*command, email, "--yes"]) == 0
    assert tenants.find_user(cloud.services.database, alone) is None
    assert tenants.add_user(cloud.services.database, email, NOW) != alone, "the address is free again"
