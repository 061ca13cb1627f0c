"""What the cloud remembers of callers and devices: never what has changed here, nothing for long."""

import pytest

from host_sim.cloud.storage import remembered
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.remembered import HOLD_S, Remembered


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    one = Clock()
    monkeypatch.setattr(remembered, "time", one)
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
