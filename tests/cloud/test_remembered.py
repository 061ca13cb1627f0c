"""What the cloud remembers of callers and devices: never what has changed here, nothing for long."""

from hashlib import sha256

import pytest
import sqlalchemy as sa

from host_sim.cloud.catalogue import targets as devices_in_use
from host_sim.cloud.catalogue.manifests import NONE
from host_sim.cloud.catalogue.targets import ALONE_S, Targets
from host_sim.cloud.catalogue.tenants import add_tenant
from host_sim.cloud.storage import remembered
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.migrate import migrate
from host_sim.cloud.storage.remembered import HOLD_S, Remembered
from host_sim.cloud.storage.tables import devices, manifests


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    one = Clock()
    monkeypatch.setattr(remembered, "time", one)
    monkeypatch.setattr(devices_in_use, "time", one)
    return one


def test_it_is_forgotten_after_a_second_because_another_worker_may_have_changed_it(clock):
    known = Remembered()
    known.keep("a", 1, known.mark())
    clock.now += HOLD_S * 0.99
    assert known.find("a") == 1
    clock.now += HOLD_S * 0.02
    assert known.find("a") is None


def test_the_second_begins_before_the_reading(clock):
    known = Remembered()
    mark = known.mark()
    clock.now += HOLD_S
    known.keep("a", 1, mark)
    assert known.find("a") is None


def test_a_change_forgets_all_and_what_was_being_read_meanwhile():
    known = Remembered()
    known.keep("a", 1, known.mark())
    mark = known.mark()
    known.forget()
    known.keep("b", 2, mark)
    assert known.find("a") is None and known.find("b") is None


def test_it_holds_no_more_than_its_bound(monkeypatch):
    monkeypatch.setattr(remembered, "MOST", 3)
    known = Remembered()
    for number in range(4):
        known.keep(number, number, known.mark())
    assert [known.find(number) for number in range(4)] == [None, None, None, 3]


def test_a_transaction_forgets_also_where_it_failed_and_a_quiet_one_does_not(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/d.db")

    def kept():
        database.remembered.keep("a", 1, database.remembered.mark())

    kept()
    with database.reading(), database.writing(quiet=True):
        pass
    assert database.remembered.find("a") == 1
    with database.writing():
        pass
    assert database.remembered.find("a") is None
    kept()
    with pytest.raises(KeyError), database.writing():
        raise KeyError
    assert database.remembered.find("a") is None
    database.close()


def test_a_role_that_was_taken_away_is_gone_with_the_next_request(api):
    viewer = api("viewer")
    assert viewer.get("/devices").status_code == 200
    person = viewer.get("/auth/me").json()["user"]["id"]
    assert api().request("DELETE", f"/tenant/users/{person}").status_code < 300
    assert viewer.get("/devices").status_code in (401, 403)


def test_what_is_in_use_is_to_be_read_again_in_time_by_one_of_those_who_use_it(clock):
    known = Remembered()
    known.keep("a", 1, known.mark())
    assert not known.due("a") and not known.due("b")
    clock.now += HOLD_S * 0.6
    assert known.due("a") and not known.due("a") and known.find("a") == 1
    clock.now += HOLD_S * 0.5
    assert known.find("a") is None
    known.keep("a", 1, known.mark())
    known.drop("a")
    assert known.find("a") is None and not known.due("a")


def _device(database, number, tenant_id, body):
    device_id = f"{number:032x}"
    row = {
        "id": device_id,
        "tenant_id": tenant_id,
        "device_type": "x",
        "firmware_version": "",
        "created_at": 0,
    }
    told = {"device_id": device_id, "tenant_id": tenant_id, "version": 1, "source": "device", "updated_at": 0}
    with database.writing(tenant_id, quiet=True) as connection:
        connection.execute(devices.insert(), row)
        connection.execute(
            manifests.insert(), {**told, "body": body, "hash": sha256(repr(body).encode()).hexdigest()}
        )
    return device_id


def test_devices_in_use_are_read_again_together_and_what_another_worker_changed_is_seen(tmp_path, clock):
    database = Database(f"sqlite:///{tmp_path}/d.db")
    migrate(database, None)
    with database.writing() as connection:
        tenant_id, _ = add_tenant(connection, "t", 0)
    old, new = {"capabilities": []}, {"capabilities": [1]}
    ids = [_device(database, number, tenant_id, old) for number in range(3)]
    targets = Targets(database)
    asked = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))

    def queries():
        found = [text for text in asked if "devices" in text]
        asked.clear()
        return len(found)

    assert [one.manifest for one in targets.read(tenant_id, ids).values()] == [old] * 3 and queries() == 1
    assert targets.read(tenant_id, [*ids, "none"]).keys() == set(ids) and queries() == 1
    assert targets.due(tenant_id) == set()
    clock.now += ALONE_S / 2
    assert targets.due(tenant_id) == set(ids) and targets.due(tenant_id) == set()
    with database.writing(tenant_id, quiet=True) as connection:
        connection.execute(devices.update().where(devices.c.id == ids[0]).values(revoked_at=1))
        connection.execute(
            manifests.update().where(manifests.c.device_id == ids[1]).values(hash="1" * 64, body=new)
        )
        connection.execute(
            manifests.update().where(manifests.c.device_id == ids[2]).values(hash=NONE, body={})
        )
    queries()
    targets.renew(tenant_id, set(ids))
    assert queries() == 1
    clock.now += ALONE_S * 0.9
    one, two, three = (targets.known(tenant_id, name) for name in ids)
    assert one.revoked and one.manifest == old and two.manifest == new and three.awaited
    database.close()
