"""Several workers write devices' logins to one broker: what is written last is what was wanted last."""

import pytest

from host_sim.cloud.broker import logins
from host_sim.cloud.broker.dynsec import DynSecError
from host_sim.cloud.broker.keeper import AGAIN_MS, Keeper
from host_sim.cloud.catalogue import devices
from host_sim.cloud.security.vault import Vault

NOW = 1767225600000
VAULT = Vault([b"\xab" * 32])


class Plugin:
    """The clients that a broker knows, as its plugin would be told of them by any worker."""

    def __init__(self):
        self.clients = {}
        self.before = lambda: None  # runs between a request and its effect
        self.silent = False

    def ask(self, commands):
        before, self.before = self.before, lambda: None
        before()
        for command in commands:
            if command["command"] == "createClient":
                self.clients[command["username"]] = command["password"]
            elif command["command"] == "deleteClient":
                self.clients.pop(command["username"], None)
        if self.silent:
            raise DynSecError("the broker's dynamic security plugin does not answer")
        return [None] * len(commands)


@pytest.fixture
def clock(monkeypatch):
    moment = [NOW]
    monkeypatch.setattr("host_sim.cloud.broker.keeper._now", lambda: moment[0])
    return moment


@pytest.fixture
def plugin():
    return Plugin()


@pytest.fixture
def workers(database, plugin, clock):
    """Two workers whose threads do not run: each `turn()` is one of theirs."""
    yield [Keeper(database, VAULT, plugin) for _ in range(2)]
    with database.writing() as connection:  # what one test leaves is nothing to the next
        connection.execute(logins.broker_logins.delete())


@pytest.fixture
def lamp(database, tenant):
    with database.writing(tenant) as connection:
        return devices.register(connection, VAULT, tenant, "esp32", NOW).device_id


def revoke(database, tenant, device_id, now=NOW):
    with database.writing(tenant) as connection:
        devices.revoke(connection, tenant, device_id, now)


def written(database, device_id):
    with database.reading() as connection:
        return logins.is_written(connection, device_id)


def test_a_device_that_is_revoked_while_a_worker_lets_it_in_is_not_let_in(
    database, tenant, lamp, plugin, workers
):
    first, second = workers

    def meanwhile():
        revoke(database, tenant, lamp)
        assert not second.turn(), "the device is the first worker's until that has ended"

    plugin.before = meanwhile
    assert first.turn()
    assert not written(database, lamp), "something else is wanted by now"
    assert second.turn()
    assert written(database, lamp) and plugin.clients == {}
    assert not first.turn() and not second.turn()


def test_a_device_of_a_worker_that_died_is_told_by_another(database, lamp, plugin, workers, clock):
    assert logins.take(database, NOW).device_id == lamp  # and that was the last of it
    assert not workers[1].turn()
    clock[0] += logins.LEASE_MS
    assert workers[1].turn() and written(database, lamp) and lamp in plugin.clients


def test_a_worker_that_was_held_up_too_long_leaves_the_broker_alone(
    database, tenant, lamp, plugin, workers, clock, monkeypatch
):
    held_up = logins.login_of

    def slowly(*given):
        monkeypatch.setattr(logins, "login_of", held_up)
        found = held_up(*given)
        clock[0] += logins.LEASE_MS
        revoke(database, tenant, lamp, clock[0])
        assert workers[1].turn()
        return found

    monkeypatch.setattr(logins, "login_of", slowly)
    workers[0].turn()
    assert written(database, lamp) and plugin.clients == {}


def test_what_came_late_of_a_request_without_an_answer_is_overwritten(
    database, tenant, lamp, plugin, workers, clock
):
    plugin.silent = True
    assert workers[0].turn()
    plugin.silent = False
    revoke(database, tenant, lamp)
    assert not workers[1].turn(), "nobody knows yet what the broker does with the request"
    clock[0] += AGAIN_MS
    assert workers[1].turn() and plugin.clients == {} and written(database, lamp)


def test_each_device_that_is_due_is_told_once_and_the_longest_waiting_first(
    database, tenant, plugin, workers
):
    with database.writing(tenant) as connection:
        made = [
            devices.register(connection, VAULT, tenant, "esp32", NOW - number).device_id
            for number in range(3)
        ]
    told = []
    while workers[len(told) % 2].turn():
        told.append([name for name in plugin.clients if name not in told][-1])
    assert told == made[::-1]
